// How tap reaches a proxy: Tap.Observe on its control port, by mutual TLS, by which the proxy knows who taps.

import { Tap } from "../../proto/gen/tap_pb.js";
import type { Clock } from "../base/clock.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import { openChannel } from "../stack/channel.ts";
import type { Conn } from "../io/conn.ts";
import { startTls } from "../io/tls.ts";
import { type Own, serverAt } from "./own.ts";
import type { Observe } from "./tap.ts";

const TLS_MS = 3000;

/** Opens a connection for each stream: taps are few, and end with whoever asked for them. */
export function observeOver(clock: Clock, own?: Own): Observe {
  return (pod, request, event, ended) => {
    const mine = own?.();
    const secure =
      mine &&
      ((conn: Conn): Promise<Conn> =>
        startTls(conn, mine, serverAt(mine, pod), { clock, timeoutMs: TLS_MS }));
    const channel = openChannel({ ip: pod.ip, port: pod.controlPort }, clock, secure);
    const authority = `${pod.ip}:${pod.controlPort}`;
    const stream = grpcClient(Tap, channel.service, authority, { clock }).observe(request);
    let isOver = false;
    stream.each(event, (fault) => {
      channel.close();
      if (isOver) return;
      isOver = true;
      ended(fault);
    });
    return () => {
      isOver = true;
      stream.cancel(new GrpcFault("CANCELLED", "nobody looks any more"));
    };
  };
}
