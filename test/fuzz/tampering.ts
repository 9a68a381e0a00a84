// Stands between proxies and a good control plane, and may put any message on the streams in place of the good ones.

import { connect } from "node:net";
import { once } from "node:events";
import {
  type DescMessage,
  type DescService,
  fromBinary,
  type Message,
  toBinary,
} from "@bufbuild/protobuf";
import { Destination } from "../../proto/gen/destination_pb.js";
import { Identity } from "../../proto/gen/identity_pb.js";
import { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import { systemClock } from "../../src/base/clock.ts";
import type { Fault } from "../../src/base/fault.ts";
import type { Random } from "../../src/base/random.ts";
import { Body, type Origin, type Sink } from "../../src/io/body.ts";
import { Conn } from "../../src/io/conn.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { type Listening, listen } from "../../src/io/listen.ts";
import { HttpReq, HttpRsp } from "../../src/io/message.ts";
import { envelope, EnvelopeReader } from "../../src/wire/grpc.ts";
import type { Headers } from "../../src/wire/headers.ts";
import { PEER } from "../support/h2.ts";
import { anyBytes } from "./anymessage.ts";

/** The methods that proxies call, by their paths. */
export const METHODS: ReadonlyMap<string, DescService["methods"][number]> = new Map(
  [Destination, Identity, InboundServerPolicies, OutboundPolicies].flatMap(
    ({ methods, typeName }) =>
      methods.map((method) => [`/${typeName}/${method.name}`, method] as const),
  ),
);

/** A loopback address that nobody has, in the place of every address that a spoilt message names. */
const NOBODY = 0x7f_60_ff_fe;

export class Tampering {
  readonly #streams = new Set<TamperedStream>();
  readonly #listening: Listening[] = [];
  readonly #conns: Conn[] = [];
  readonly #upstreams: H2Client[] = [];

  /** Listens at `ip` on each of `ports`, and answers as the control plane at the same ports of `upstream` does. */
  static async listen(ip: string, upstream: string, ports: readonly number[]): Promise<Tampering> {
    const it = new Tampering();
    for (const port of ports) {
      const client = await dial(upstream, port);
      it.#upstreams.push(client);
      const forward = (req: HttpReq): Promise<HttpRsp> => it.#forward(req, client);
      it.#listening.push(
        await listen({ ip, port }, {}, (conn) => {
          it.#conns.push(conn);
          serveH2(conn, forward, { clock: systemClock });
        }),
      );
    }
    return it;
  }

  /** Sends a message of chance on one of the streams. */
  spoil(random: Random): void {
    const all = [...this.#streams];
    all[random.below(all.length)]?.spoil(random);
  }

  /** Sends what the control plane said last on all of them. */
  restore(): void {
    for (const stream of this.#streams) stream.restore();
  }

  close(): void {
    for (const each of this.#listening) each.close();
    for (const conn of this.#conns) conn.destroy();
    for (const client of this.#upstreams) client.conn.destroy();
  }

  async #forward(req: HttpReq, upstream: H2Client): Promise<HttpRsp> {
    const sent = new HttpReq(
      req.method,
      req.path,
      req.authority,
      20,
      req.headers,
      req.body,
      PEER,
      0,
    );
    req.onCancel = (fault) => sent.cancel(fault);
    const rsp = await upstream.request(sent);
    const method = METHODS.get(req.path);
    if (method?.methodKind !== "server_streaming") return rsp;
    const stream = new TamperedStream(method.output, rsp.body);
    this.#streams.add(stream);
    stream.body.onEnd(() => this.#streams.delete(stream));
    return new HttpRsp(rsp.status, rsp.headers, stream.body, 20);
  }
}

class TamperedStream implements Sink, Origin {
  readonly body: Body;
  readonly #desc: DescMessage;
  readonly #upstream: Body;
  readonly #reader = new EnvelopeReader(1 << 20);
  /** What the control plane has said; endpoints add up, so all of it. */
  #said: Buffer[] = [];

  constructor(output: DescMessage, upstream: Body) {
    this.#desc = output;
    this.#upstream = upstream;
    this.body = Body.stream(this);
    upstream.to(this);
  }

  spoil(random: Random): void {
    const bytes = anyBytes(this.#desc, this.#said, random);
    try {
      const message = fromBinary(this.#desc, bytes);
      tame(message);
      this.body.push(envelope(toBinary(this.#desc, message)));
    } catch {
      // No message at all: the proxy will end the stream for it.
      this.body.push(envelope(bytes));
    }
  }

  restore(): void {
    for (const bytes of this.#said) this.body.push(envelope(bytes));
  }

  // --- Sink.

  chunk(chunk: Buffer): boolean {
    this.#reader.push(chunk, (message) => {
      this.#said = [...this.#said.slice(-10), Buffer.from(message)];
      this.body.push(envelope(message));
    });
    return true;
  }

  end(trailers: Headers | undefined): void {
    this.body.finish(trailers);
  }

  abort(fault: Fault): void {
    this.body.abort(fault);
  }

  // --- Origin.

  resume(): void {}

  cancel(fault: Fault): void {
    this.#upstream.cancel(fault);
  }
}

/** Nobody out there shall be called because of a test. */
function tame(value: unknown): void {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return;
  if ((value as Partial<Message>).$typeName === "io.linkerd.proxy.net.IPAddress")
    Object.assign(value, { ip: { case: "ipv4", value: NOBODY } });
  for (const part of Object.values(value)) tame(part);
}

/** A client of HTTP/2 of a server of ours. */
export async function dial(host: string, port: number): Promise<H2Client> {
  const socket = connect({ host, port, noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  return new H2Client(new Conn(socket, PEER), { clock: systemClock });
}
