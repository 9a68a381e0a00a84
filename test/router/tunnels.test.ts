// CONNECT and Upgrade through a router: byte streams that begin as requests.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { run } from "./run.ts";

async function echo(t: TestContext): Promise<number> {
  const server = net.createServer((socket) => socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

test("CONNECT opens a tunnel to an endpoint of the name", async (t) => {
  const port = await echo(t);
  const at = await run(
    t,
    `
routers:
- protocol: http
  dtab: |
    /ph => /$/inet;
    /svc => /$/io.buoyant.hostportPfx/ph;
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  const path = `127.0.0.1:${port}`;
  const req = http.request({ port: at.port(), host: "127.0.0.1", method: "CONNECT", path });
  req.end();
  const [rsp, socket] = (await once(req, "connect")) as [http.IncomingMessage, net.Socket];
  assert.equal(rsp.statusCode, 200);
  socket.write("hello");
  assert.equal(String((await once(socket, "data"))[0]), "hello");
  socket.end();
  await once(socket, "close");
  const refused = http.request({
    port: at.port(),
    host: "127.0.0.1",
    method: "CONNECT",
    path: "127.0.0.1:1",
  });
  refused.end();
  const [failed] = (await once(refused, "connect")) as [http.IncomingMessage];
  assert.equal(failed.statusCode, 502);
});

test("Upgrade becomes a stream both ways", async (t) => {
  const server = http.createServer();
  server.on("upgrade", (_req, socket: net.Socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    );
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as net.AddressInfo;
  const at = await run(
    t,
    `routers: [{protocol: http, dtab: "/svc => /$/inet/127.1/${port}", servers: [{port: 0, ip: 127.0.0.1}]}]`,
  );
  const req = http.request({
    port: at.port(),
    host: "127.0.0.1",
    headers: { host: "web", connection: "upgrade", upgrade: "websocket" },
  });
  req.end();
  const [rsp, socket] = (await once(req, "upgrade")) as [http.IncomingMessage, net.Socket];
  assert.equal(rsp.statusCode, 101);
  socket.write("ping");
  assert.equal(String((await once(socket, "data"))[0]), "ping");
  socket.destroy();
});
