// Routers of byte streams: by port, and by the server name of TLS that is passed through.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import tls from "node:tls";
import { test, type TestContext } from "node:test";
import { selfSigned } from "../support/certificates.ts";
import { eventually, run } from "./run.ts";

async function listen(t: TestContext, server: net.Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as net.AddressInfo).port;
}

const echo = (t: TestContext): Promise<number> =>
  listen(
    t,
    net.createServer((socket) => socket.pipe(socket)),
  );

test("connections go by their port, both ways, with half-close", async (t) => {
  const port = await echo(t);
  const at = await run(
    t,
    `
routers:
- protocol: tcp
  identifier: {kind: io.l5d.static, path: /redis}
  dtab: /svc/redis => /$/inet/127.1/${port}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  const socket = net.connect(at.port("tcp"), "127.0.0.1");
  socket.end("ping");
  assert.equal(String((await once(socket, "data"))[0]), "ping");
  await once(socket, "close");
  const metrics = await at.metrics();
  assert.equal(metrics[`rt/tcp/client/$/inet/127.1/${port}/connects`], 1);
  assert.equal(metrics["rt/tcp/server/127.0.0.1/0/connects"], 1);
});

test("a server that speaks first is not waited for", async (t) => {
  const port = await listen(
    t,
    net.createServer((socket) => socket.end("220 hello")),
  );
  const at = await run(
    t,
    `routers: [{protocol: tcp, dtab: "/svc/* => /$/inet/127.1/${port}", servers: [{port: 0, ip: 127.0.0.1}]}]`,
  );
  const socket = net.connect(at.port("tcp"), "127.0.0.1");
  assert.equal(String((await once(socket, "data"))[0]), "220 hello");
  socket.destroy();
});

test("TLS is passed through by its server name", async (t) => {
  const { cert, key } = await selfSigned("one.test");
  const port = await listen(
    t,
    tls.createServer({ cert, key }, (socket) => socket.end("one")),
  );
  const at = await run(
    t,
    `
routers:
- protocol: tcp
  identifier: {kind: io.l5d.sni}
  dtab: /svc/one.test => /$/inet/127.1/${port}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  const connect = (servername: string): tls.TLSSocket =>
    tls.connect({ port: at.port("tcp"), host: "127.0.0.1", servername, rejectUnauthorized: false });
  const good = connect("one.test");
  assert.equal(String((await once(good, "data"))[0]), "one");
  const lost = connect("two.test");
  await assert.rejects(once(lost, "secureConnect"));
});

test("a connection to nowhere is reset", async (t) => {
  const at = await run(
    t,
    `routers: [{protocol: tcp, bindingTimeoutMs: 300, dtab: "/svc/* => /$/inet/127.1/1", servers: [{port: 0, ip: 127.0.0.1}]}]`,
  );
  const socket = net.connect(at.port("tcp"), "127.0.0.1");
  await assert.rejects(once(socket, "data"));
  await eventually(() => socket.destroyed);
});

test("a certificate that is not there is told at the start", async (t) => {
  const server = "{port: 0, ip: 127.0.0.1, tls: {certPath: /nowhere.pem, keyPath: /nowhere.key}}";
  await assert.rejects(
    run(t, `routers: [{protocol: tcp, servers: [${server}]}]`),
    /TLS file \/nowhere\.(?:pem|key) is missing/,
  );
});
