// Requests from one meshed workload to another, over both sidecars.

import assert from "node:assert/strict";
import { createServer, connect as connectH2 } from "node:http2";
import { test } from "node:test";
import { application, get, mesh, metric, PORTS, read, tcp, until } from "./mesh.ts";

const IDENTITY = "web.ns.serviceaccount.identity.linkerd.cluster.local";

test("an HTTP/1 request crosses both sidecars and is told who calls", async (t) => {
  const { client, server, start } = await mesh(t);
  const seen: Record<string, unknown>[] = [];
  await application(t, server, (req, rsp) => {
    seen.push({ version: req.httpVersion, ...req.headers });
    rsp.end(`${req.url} for ${String(req.headers["l5d-client-id"])}`);
  });
  await start();
  const sent = { "l5d-client-id": "spoofed", "l5d-dst-canonical": "spoofed" };
  const { status, body, headers } = await get(client, PORTS.http, "/hello", sent);
  assert.equal(status, 200);
  assert.equal(body, `/hello for ${IDENTITY}`);
  assert.equal(seen[0]!["version"], "1.1");
  assert.equal(seen[0]!["host"], "web.ns");
  for (const name of ["l5d-orig-proto", "l5d-dst-canonical"]) {
    assert.equal(seen[0]![name], undefined);
    assert.equal(headers[name], undefined);
  }
  const outbound = await metric(client, "request_total", { direction: "outbound" });
  assert.equal(outbound?.labels["tls"], "true");
  assert.equal(outbound?.labels["server_id"], IDENTITY);
  assert.equal(outbound?.labels["dst_service"], "web");
  const inbound = await metric(server, "request_total", {
    direction: "inbound",
    target_port: "8080",
  });
  assert.equal(inbound?.labels["client_id"], IDENTITY);
  assert.equal(inbound?.labels["srv_name"], "all-unauthenticated");
  assert.equal(inbound?.value, 1);
});

test("bodies stream both ways, whatever their length", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (req, rsp) => req.pipe(rsp));
  await start();
  const sent = Buffer.alloc(3_000_000, "abcdefg");
  const { body } = await get(client, PORTS.http, "/", {}, sent);
  assert.equal(body.length, sent.length);
  assert.equal(body, sent.toString());
});

test("HTTP/2 stays HTTP/2, with its trailers", async (t) => {
  const { client, server, start } = await mesh(t);
  const app = createServer((req, rsp) => {
    rsp.addTrailers({ "grpc-status": "0", "x-seen": req.httpVersion });
    rsp.end(String(req.headers["te"]));
  });
  await new Promise<void>((resolve) => app.listen(8080, server, resolve));
  t.after(() => app.close());
  await start();
  const session = connectH2(`http://${client}:${PORTS.http}`);
  t.after(() => session.destroy());
  const results = await Promise.all(
    [1, 2, 3].map(
      (n) =>
        new Promise<{ body: string; trailers: unknown }>((resolve, reject) => {
          const stream = session.request({ ":path": `/${n}`, te: "trailers" });
          let body = "";
          let trailers: unknown;
          stream.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
          stream.on("trailers", (fields) => (trailers = [fields["grpc-status"], fields["x-seen"]]));
          stream.on("end", () => resolve({ body, trailers })).on("error", reject);
          stream.end();
        }),
    ),
  );
  for (const { body, trailers } of results) {
    assert.equal(body, "trailers");
    assert.deepEqual(trailers, ["0", "2.0"]);
  }
});

test("a WebSocket goes through as a tunnel", async (t) => {
  const { client, server, start } = await mesh(t);
  const app = await application(t, server, () => {});
  app.on("upgrade", (_req, socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
    );
    socket.on("data", (chunk) => socket.write(`echo ${String(chunk)}`));
    socket.on("error", () => {});
  });
  await start();

  const socket = await tcp(t, client, PORTS.http);
  socket.write(
    "GET /chat HTTP/1.1\r\nhost: web.ns\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
  );
  assert.match(await read(socket), /^HTTP\/1\.1 101 /);
  socket.write("hello");
  assert.equal(await read(socket), "echo hello");
});

test("accepted connections are counted by who made them, and come from the workload's address", async (t) => {
  const { client, server, start } = await mesh(t);
  let from: string | undefined;
  await application(t, server, (req, rsp) => {
    from = req.socket.remoteAddress;
    rsp.end("hello");
  });
  await start();
  const socket = await tcp(t, client, PORTS.http);
  socket.write("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
  assert.match(await read(socket), /^HTTP\/1\.1 200 /);
  assert.equal(from, server);
  const name = "tcp_open_connections";
  const out = await metric(client, name, { direction: "outbound", peer: "src" });
  assert.deepEqual([out?.value, out?.labels["target_addr"]], [1, "10.96.0.1:80"]);
  const into = await metric(server, name, { direction: "inbound", peer: "src" });
  assert.equal(into?.value, 1);
  assert.equal(into.labels["client_id"], IDENTITY);
  assert.equal(into.labels["target_port"], "8080");
  socket.destroy();
  await until(async () => (await metric(client, name, { peer: "src" }))?.value !== 1);
});
