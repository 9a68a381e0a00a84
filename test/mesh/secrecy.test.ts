// What travels between two sidecars, recorded by a relay in the middle: nothing of the application in clear, no
// identity that a client made up, and nobody in the middle who is not what he says.

import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { test, type TestContext } from "node:test";
import { connect as connectTls, TLSSocket } from "node:tls";
import { application, get, mesh, PORTS, read, tcp, tcpApplication } from "../paths/mesh.ts";
import { authority } from "../support/authority.ts";

const NAME = "web.ns.serviceaccount.identity.linkerd.cluster.local";
const SECRET = "the-treasure-lies-under-the-oak";

/** A mesh in which the inbound sidecar is reached through a relay that writes down what passes. */
async function recorded(
  t: TestContext,
): Promise<{ client: string; server: string; tape(): string }> {
  const { client, server, second, env, run, outbound } = await mesh(t);
  const chunks: Buffer[] = [];
  const relay = createServer({ allowHalfOpen: true }, (from) => {
    const to = connect({ host: second, port: 4143, allowHalfOpen: true });
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      one.on("data", (chunk: Buffer) => chunks.push(chunk));
      one.on("error", () => other.destroy());
      one.pipe(other);
      t.after(() => one.destroy());
    }
  });
  await new Promise<void>((resolve) => relay.listen(4143, server, resolve));
  t.after(() => relay.close());
  const inbound = { ...env("web-1", server), LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${second}:4143` };
  await Promise.all([run(inbound), run({ ...env("client", client), ...outbound })]);
  return { client, server, tape: () => Buffer.concat(chunks).toString("latin1") };
}

test("no byte of an application passes in clear, be it HTTP or not", async (t) => {
  const { client, server, tape } = await recorded(t);
  await application(t, server, (req, rsp) => {
    rsp.setHeader("x-answer", SECRET);
    req.pipe(rsp);
  });
  await tcpApplication(t, server, (socket) => socket.pipe(socket));
  const { body, headers } = await get(
    client,
    PORTS.http,
    `/${SECRET}`,
    { "x-question": SECRET },
    Buffer.from(SECRET.repeat(1000)),
  );
  assert.equal(body, SECRET.repeat(1000));
  assert.equal(headers["x-answer"], SECRET);
  const socket = await tcp(t, client, PORTS.db);
  socket.write(SECRET);
  assert.equal(await read(socket), SECRET);
  assert.ok(tape().length > 2 * SECRET.length * 1000, `${tape().length} bytes were recorded`);
  for (const word of [SECRET, "HTTP/1", "PRI * HTTP/2", "x-question", "content-length"]) {
    assert.ok(!tape().includes(word), `${word} is in clear`);
  }
});

test("an identity that a client claims in a header never reaches the application", async (t) => {
  const { client, server, start } = await mesh(t);
  const seen: unknown[] = [];
  await application(t, server, (req, rsp) => {
    const { rawHeaders } = req;
    seen.push(rawHeaders.filter((_, i) => rawHeaders[i - 1]?.toLowerCase() === "l5d-client-id"));
    rsp.end();
  });
  await start();
  await get(client, PORTS.http, "/", { "l5d-client-id": "king.ns.serviceaccount" });
  const socket = await tcp(t, client, PORTS.http);
  const twice = "L5D-Client-ID: king\r\nl5d-client-id: queen\r\n";
  socket.write(`GET / HTTP/1.1\r\nhost: web\r\n${twice}connection: close\r\n\r\n`);
  assert.match(await read(socket), /^HTTP\/1\.1 200 /);
  assert.deepEqual(seen, [[NAME], [NAME]]);
});

test("who stands in the middle with a certificate of another trust anchor is not talked to", async (t) => {
  const { client, server, env, run, outbound } = await mesh(t);
  const { certPem: cert, keyPem: key } = await (await authority()).certify(NAME);
  const heard: Buffer[] = [];
  const impostor = createServer((socket) => {
    const secure = new TLSSocket(socket, {
      isServer: true,
      cert,
      key,
      ALPNProtocols: ["transport.l5d.io/v1"],
    });
    secure.on("data", (chunk: Buffer) => heard.push(chunk)).on("error", () => {});
    t.after(() => socket.destroy());
  });
  await new Promise<void>((resolve) => impostor.listen(4143, server, resolve));
  t.after(() => impostor.close());
  await run({ ...env("client", client), ...outbound });
  const { status, headers } = await get(client, PORTS.http, `/${SECRET}`);
  assert.ok(status === 502 || status === 504 || status === 503, `${status}`);
  assert.match(String(headers["l5d-proxy-error"]), /certificate/);
  assert.equal(Buffer.concat(heard).toString(), "");
});

test("a client with a certificate of another trust anchor is refused", async (t) => {
  const { server, start } = await mesh(t);
  let calls = 0;
  await application(t, server, (_, rsp) => {
    calls += 1;
    rsp.end();
  });
  await start();
  const { certPem: cert, keyPem: key } = await (await authority()).certify(NAME);
  for (const credentials of [{ cert, key }, {}]) {
    const socket = connectTls({
      host: server,
      port: 4143,
      servername: NAME,
      rejectUnauthorized: false,
      ALPNProtocols: ["transport.l5d.io/v1"],
      ...credentials,
    });
    socket.setEncoding("latin1").on("error", () => {});
    t.after(() => socket.destroy());
    // A transport header for port 8080, and a request behind it.
    socket.write(
      Buffer.from("transport.l5d.io/v1\r\n\r\n\0\0\0\u0003\u0008\u0090\u003f", "latin1"),
    );
    socket.write("GET / HTTP/1.1\r\nhost: web\r\n\r\n");
    assert.equal(await read(socket), "");
  }
  assert.equal(calls, 0);
});
