// Our HTTP servers alone, without a proxy around them: every request is answered with its own body, or "hello". For what
// is about the server's side of a connection and nothing else.

import { createServer } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { Body } from "../../src/io/body.ts";
import { Conn } from "../../src/io/conn.ts";
import { serveH1 } from "../../src/io/h1server.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { listen } from "../../src/io/listen.ts";
import { HttpRsp, type HttpService } from "../../src/io/message.ts";
import type { At } from "./raw.ts";

export type Bare = At & { close(): void };

const echo: HttpService = async ({ body }) =>
  new HttpRsp(200, ["content-type", "text/plain"], body.isEmpty ? Body.of("hello") : body);
const options = { clock: systemClock };

/** HTTP/1 or HTTP/2 with prior knowledge, at a free port of this machine. */
export async function bare(protocol: "http1" | "http2"): Promise<Bare> {
  const serve = protocol === "http1" ? serveH1 : serveH2;
  const listening = await listen({ ip: "127.0.0.1", port: 0 }, {}, (conn) =>
    serve(conn, echo, options),
  );
  return { host: "127.0.0.1", port: listening.addr.port, close: () => listening.close() };
}

/** HTTP/2 over TLS, negotiated by ALPN. */
export async function bareTls(cert: { cert: string; key: string }): Promise<Bare> {
  const server = createServer({ ...cert, ALPNProtocols: ["h2"] }, (socket) => {
    const end = { ip: "127.0.0.1", port: 0 };
    const tls = { kind: "true", identity: "", alpn: "h2" } as const;
    serveH2(new Conn(socket, { remote: end, local: end, original: end, tls }), echo, options);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  return { host: "127.0.0.1", port, close: () => server.close() };
}
