// A backend and a client of HTTP/2 for tests of the router.

import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

type Got = {
  headers: http2.IncomingHttpHeaders;
  trailers: http2.IncomingHttpHeaders;
  body: string;
};

/** A server of HTTP/2; `x-grpc` asks for that gRPC status in trailers, `x-late-ms` for a pause before them. */
export async function backend2(
  t: TestContext,
): Promise<{ port: number; seen: http2.IncomingHttpHeaders[] }> {
  const seen: http2.IncomingHttpHeaders[] = [];
  const server = http2.createServer();
  server.on("stream", (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    seen.push(headers);
    const grpc = headers["x-grpc"] as string | undefined;
    const status = Number(/^\/status\/(\d+)/.exec(headers[":path"]!)?.[1] ?? 200);
    if (grpc === undefined) {
      stream.respond({ ":status": status });
      stream.end("h2");
      return;
    }
    stream.respond(
      { ":status": 200, "content-type": "application/grpc" },
      { waitForTrailers: true },
    );
    const told = grpc === "once" ? (seen.length === 1 ? "14" : "0") : grpc;
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": told }));
    stream.write("message");
    setTimeout(() => stream.end(), Number(headers["x-late-ms"] ?? 0));
  });
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen };
}

/** One request on a connection of its own; rejects with the code of a reset. */
export function send2(
  port: number,
  path: string,
  headers: http2.OutgoingHttpHeaders = {},
  ip = "127.0.0.1",
): Promise<Got> {
  const client = http2.connect(`http://${ip}:${port}`);
  return new Promise<Got>((resolve, reject) => {
    const stream = client.request({ ":path": path, ":authority": "web", ...headers });
    let got: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    let body = "";
    stream.on("response", (head) => (got = head));
    stream.on("trailers", (found) => (trailers = found));
    stream.on("data", (chunk: Buffer) => (body += chunk.toString()));
    stream.on("error", (error) => reject(error));
    stream.on("end", () => resolve({ headers: got, trailers, body }));
    stream.end();
  }).finally(() => client.destroy());
}
