// Exchanges as the events of Tap.Observe: a request begins, its response begins, it ends.

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  TapEvent_ProxyDirection as Direction,
  type TapEventSchema,
  type ObserveRequest,
} from "../../proto/gen/tap_pb.js";
import type { Labels } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Close } from "../base/watch.ts";
import { identityOf } from "../stack/authorize.ts";
import type { Exchange } from "../stack/exchange.ts";
import type { TapMeta, Taps, TapStream } from "../stack/tap.ts";
import type { Headers } from "../wire/headers.ts";
import { duration, printMethod, printTcpAddress } from "./fromproto.ts";
import { compileTap, routeLabelsOf } from "./tapmatch.ts";

type Event = MessageInitShape<typeof TapEventSchema>;
type HttpEvent = NonNullable<Extract<Event["event"], { case: "http" }>["value"]["event"]>;
type StreamId = { readonly base: number; readonly stream: bigint };

/** What a tap tells of an exchange; data, for it may come from another thread. */
export type TapNews = {
  readonly id: StreamId;
  readonly phase: "begin" | "response" | "end";
  readonly event: Event;
};

/** Looks for what a request asks for and tells of it, up to its limit; until closed. */
export type WatchTaps = (request: ObserveRequest, tell: (news: TapNews) => void) => Close;

/** What looks at the exchanges of this thread. */
export function watchTaps(taps: Taps, random: Random): WatchTaps {
  const base = random.below(2 ** 31);
  let streams = 0n;
  return (request, tell) => {
    const wants = compileTap(request.match);
    let left = request.limit;
    return taps.add({
      request(x, meta) {
        if (left === 0 || !wants(x, meta)) return undefined;
        left -= 1;
        streams += 1n;
        return new TapTeller(x, meta, { base, stream: streams }, request, tell);
      },
    });
  };
}

/** Tells one exchange as events; the first is told at once. */
class TapTeller implements TapStream {
  readonly #send: (news: TapNews) => void;
  readonly #id: StreamId;
  readonly #withHeaders: boolean;
  readonly #about: ReturnType<typeof aboutOf>;

  constructor(
    x: Exchange,
    meta: TapMeta,
    id: StreamId,
    { extract }: ObserveRequest,
    send: (news: TapNews) => void,
  ) {
    this.#send = send;
    this.#id = id;
    this.#withHeaders = extract?.extract.case === "http";
    this.#about = aboutOf(x, meta);
    const { method, authority, path, scheme, headers } = x.req;
    const pseudo = [":method", method, ":authority", authority, ":path", path];
    const registered = scheme === "https" ? 1 : 0;
    this.#tell("begin", {
      case: "requestInit",
      value: {
        id,
        method: { type: printMethod(method) },
        scheme: { type: { case: "registered", value: registered } },
        authority,
        path,
        ...this.#headers([...pseudo, ...headers]),
      },
    });
  }

  response(x: Exchange): void {
    const { status, headers } = x.rsp!;
    this.#tell("response", {
      case: "responseInit",
      value: {
        id: this.#id,
        sinceRequestInit: duration(Math.max(0, x.headAt - x.at)),
        httpStatus: status,
        ...this.#headers([":status", String(status), ...headers]),
      },
    });
  }

  end(x: Exchange): void {
    const trailers = x.rsp?.body.ended?.trailers;
    const { grpcStatus, fault } = x;
    const end =
      fault !== undefined
        ? { case: "resetErrorCode" as const, value: fault.detail ?? 2 }
        : grpcStatus !== undefined
          ? { case: "grpcStatusCode" as const, value: grpcStatus }
          : { case: undefined };
    this.#tell("end", {
      case: "responseEnd",
      value: {
        id: this.#id,
        sinceRequestInit: duration(Math.max(0, x.endAt - x.at)),
        sinceResponseInit: duration(Math.max(0, x.endAt - x.headAt)),
        responseBytes: BigInt(x.rsp?.body.bytes ?? 0),
        eos: { end },
        ...(trailers && this.#withHeaders ? { trailers: fields(trailers) } : {}),
      },
    });
  }

  #tell(phase: TapNews["phase"], event: HttpEvent): void {
    const told: Event = { ...this.#about, event: { case: "http", value: { event } } };
    this.#send({ id: this.#id, phase, event: told });
  }

  #headers(headers: Headers): { headers?: ReturnType<typeof fields> } {
    return this.#withHeaders ? { headers: fields(headers) } : {};
  }
}

function aboutOf(x: Exchange, meta: TapMeta) {
  const { peer } = x.req;
  const isInbound = meta.direction === "inbound";
  const client = identityOf(peer);
  const { tls } = peer;
  const noTls = tls.kind === "no_identity" ? { no_tls_reason: tls.reason } : undefined;
  const source: Labels = client ? { tls: "true", client_id: client } : { tls: tls.kind, ...noTls };
  const { serverId } = meta;
  const server: Labels = serverId ? { tls: "true", server_id: serverId } : { tls: "no_identity" };
  return {
    source: printTcpAddress(peer.remote),
    sourceMeta: { labels: { ...source } },
    destination: printTcpAddress(meta.destination),
    destinationMeta: { labels: { ...meta.labels, ...(isInbound ? source : server) } },
    routeMeta: { labels: { ...routeLabelsOf(x) } },
    proxyDirection: isInbound ? Direction.INBOUND : Direction.OUTBOUND,
  };
}

function fields(headers: Headers): { headers: { name: string; value: Uint8Array }[] } {
  const list: { name: string; value: Uint8Array }[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const value = new Uint8Array(Buffer.from(headers[i + 1]!, "latin1"));
    list.push({ name: headers[i]!.toLowerCase(), value });
  }
  return { headers: list };
}
