// The tap server (port 4190): Tap.Observe for whoever has the identity that may tap, and for the pod itself.
// Nobody else learns anything; and a tap that reads too slowly loses events instead of filling the memory.

import { type ObserveRequest, Tap } from "../../proto/gen/tap_pb.js";
import { Fault } from "../base/fault.ts";
import type { ConnService, Peer } from "../io/conn.ts";
import { Detection } from "../io/detect.ts";
import { serveH2 } from "../io/h2server.ts";
import { identityOf, isLoopback } from "../stack/authorize.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { grpcService, implement } from "../stack/grpcserver.ts";
import { h2Options, type Sidecar } from "./sidecar.ts";
import { watchTaps, type WatchTaps } from "./tapevents.ts";
import { compileTap } from "./tapmatch.ts";
import { readHello, terminate } from "./terminate.ts";

/** Events that wait for a slow reader. */
const BUFFER = 400;

/** Serves Tap.Observe to the identity `allowed`, of what this thread sees and `watchOthers` tells of the others. */
export function tapServer(sidecar: Sidecar, allowed: string, watchOthers: WatchTaps): ConnService {
  const { clock, settings, serving, taps, random } = sidecar;
  const watchOwn = watchTaps(taps, random);
  const watchAll: WatchTaps = (request, tell) => {
    const closers = [watchOwn(request, tell), watchOthers(request, tell)];
    return () => closers.forEach((close) => close());
  };
  // Where the whole mesh lives on loopback addresses, they say nothing about a client.
  const trusts = (peer: Peer): boolean =>
    (settings.own.inboundIp === undefined && isLoopback(peer.remote.ip)) ||
    identityOf(peer) === allowed;
  const service = grpcService([observe(trusts, watchAll)], { clock });
  return async (conn) => {
    const { protocol, first } = await new Detection(conn, settings.inbound.detectTimeoutMs, clock)
      .result;
    if (protocol === "tls") {
      const asked = await readHello(sidecar, conn, first);
      const secure = await terminate(sidecar, conn, asked.first);
      return serving.serve(serveH2(secure, service, h2Options(sidecar, "inbound")));
    }
    if (protocol !== "http/2") return conn.destroy();
    await serving.serve(serveH2(conn, service, h2Options(sidecar, "inbound"), first));
  };
}

function observe(trusts: (peer: Peer) => boolean, watchAll: WatchTaps) {
  return implement(Tap, {
    observe(request, { req: { peer } }) {
      if (!trusts(peer)) {
        const who = identityOf(peer) ?? "a client without identity";
        throw new GrpcFault("UNAUTHENTICATED", `${who} may not tap`);
      }
      if (request.limit === 0) throw new GrpcFault("INVALID_ARGUMENT", "limit must be positive");
      check(request);
      return (outlet) => {
        let left = request.limit;
        let waiting = 0;
        const open = new Set<string>();
        outlet.onRoom = () => (waiting = 0);
        // Each thread keeps to the limit; here it holds for all of them together.
        return watchAll(request, ({ id, phase, event }) => {
          const key = `${id.base} ${id.stream}`;
          if (phase === "begin" && left > 0) {
            left -= 1;
            open.add(key);
          }
          if (!open.has(key)) return;
          if (waiting < BUFFER && !outlet.send(event)) waiting += 1;
          if (phase === "end") open.delete(key);
          if (left === 0 && open.size === 0) outlet.end();
        });
      };
    },
  });
}

function check({ match }: ObserveRequest): void {
  try {
    compileTap(match);
  } catch (cause) {
    const { message } = Fault.from(cause);
    throw new GrpcFault("INVALID_ARGUMENT", `the match cannot be used: ${message}`, { cause });
  }
}
