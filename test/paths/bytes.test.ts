// Connections that are not HTTP: opaque ports, greetings of servers, TLS of applications.

import assert from "node:assert/strict";
import { connect as connectTls, createServer as createTlsServer, TLSSocket } from "node:tls";
import { test } from "node:test";
import { authority } from "../support/authority.ts";
import { application, get, mesh, metric, PORTS, read, tcp, tcpApplication } from "./mesh.ts";

test("an opaque port carries bytes at once, in mutual TLS, with half-close", async (t) => {
  const { client, server, start } = await mesh(t);
  await tcpApplication(t, server, (socket) => {
    socket.write("welcome");
    socket.on("data", (chunk) => socket.write(chunk.toString().toUpperCase()));
    socket.on("end", () => socket.end("bye"));
  });
  await start();
  const socket = await tcp(t, client, PORTS.db);
  assert.equal(await read(socket), "welcome");
  socket.write("select 1");
  assert.equal(await read(socket), "SELECT 1");
  socket.end();
  assert.equal(await read(socket), "bye");
  const opened = await metric(client, "tcp_open_total", { peer: "dst", target_port: "3306" });
  assert.equal(opened?.labels["tls"], "true");
  const header = await metric(server, "inbound_tcp_transport_header_connections_total", {});
  assert.equal(header?.labels["target_port"], "3306");
});

test("the next stream to an endpoint resumes the TLS session of the last", async (t) => {
  const { client, server, start } = await mesh(t);
  const { isSessionReused } = TLSSocket.prototype;
  const resumed: boolean[] = [];
  t.mock.method(TLSSocket.prototype, "isSessionReused", function (this: TLSSocket) {
    resumed.push(isSessionReused.call(this));
    return resumed.at(-1);
  });
  await tcpApplication(t, server, (socket) => void socket.write("welcome"));
  await start();
  for (const expected of [false, true, true]) {
    const socket = await tcp(t, client, PORTS.db);
    assert.equal(await read(socket), "welcome");
    socket.destroy();
    // Both ends ask.
    assert.deepEqual(resumed.splice(0), [expected, expected]);
  }
});

test("a server that speaks first is heard although the port is not declared", async (t) => {
  const { client, server, start } = await mesh(t);
  await tcpApplication(
    t,
    server,
    (socket) => {
      socket.write("220 ready\r\n");
      socket.on("data", (chunk) => socket.write(`250 ${String(chunk)}`));
    },
    8080,
  );
  await start();
  for (let i = 0; i < 2; i++) {
    const began = performance.now();
    const socket = await tcp(t, client, PORTS.http);
    assert.equal(await read(socket), "220 ready\r\n");
    assert.ok(performance.now() - began < 5000, "it did not wait for detection to time out");
    socket.write("HELO");
    assert.equal(await read(socket), "250 HELO");
    socket.destroy();
  }
});

test("a silent HTTP client is still served as HTTP when it speaks at last", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_req, rsp) => rsp.end("hello"));
  await start();
  const socket = await tcp(t, client, PORTS.http);
  await new Promise((resolve) => setTimeout(resolve, 300));
  socket.write("GET / HTTP/1.1\r\nhost: web\r\nconnection: close\r\n\r\n");
  assert.match(await read(socket), /^HTTP\/1\.1 200 /);
  assert.equal((await get(client, PORTS.http)).body, "hello");
});

test("TLS of the application passes untouched", async (t) => {
  const { client, server, start } = await mesh(t);
  const ca = await authority();
  const { certPem: cert, keyPem: key } = await ca.certify("app.example");
  const app = createTlsServer({ cert, key }, (socket) => {
    socket.on("error", () => {});
    socket.end("secret");
  });
  await new Promise<void>((resolve) => app.listen(8080, server, resolve));
  t.after(() => app.close());
  await start();
  const port = PORTS.http;
  const socket = connectTls({ host: client, port, servername: "app.example", ca: ca.rootsPem });
  t.after(() => socket.destroy());
  socket.setEncoding("latin1");
  assert.equal(await read(socket), "secret");
  assert.equal(socket.authorized, true);
});
