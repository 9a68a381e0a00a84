// A gateway: another cluster's proxy names a service in its transport header, and the request goes on from here.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { systemClock as clock } from "../../src/base/clock.ts";
import { newKeyAndCsr, printPem } from "../../src/proxy/csr.ts";
import type { SocketAddr } from "../../src/io/conn.ts";
import { dial } from "../../src/io/dial.ts";
import { startTls } from "../../src/io/tls.ts";
import { encodeTransportHeader, TRANSPORT_ALPN } from "../../src/wire/transportheader.ts";
import { application, mesh, type TestMesh } from "./mesh.ts";

const NAME = "web.ns.serviceaccount.identity.linkerd.cluster.local";
const FQDN = "web.ns.svc.cluster.local";

// Asks `port` of `ip` in mutual TLS, and resolves with the head of the answer.
async function ask(
  t: TestContext,
  { plane }: TestMesh,
  { ip, port }: SocketAddr,
  request: Buffer | string,
): Promise<string> {
  const { keyPem, csr } = newKeyAndCsr(NAME);
  const { chain, rootsPem } = await plane.certify(NAME, csr);
  const credentials = { name: NAME, certPem: printPem(chain), keyPem, rootsPem };
  const options = { clock, timeoutMs: 2000 };
  const alpn = port === 4143 ? { alpn: [TRANSPORT_ALPN] } : {};
  const server = { id: NAME, serverName: NAME };
  const plain = await dial({ ip, port }, options);
  const conn = await startTls(plain, credentials, server, { ...options, ...alpn });
  t.after(() => conn.destroy());
  return new Promise((resolve) => {
    let text = "";
    conn.start({
      read: (chunk) => {
        text += chunk.toString("latin1");
        if (/\r\n\r\n/.test(text)) resolve(text);
      },
      end: () => resolve(text),
      closed: () => resolve(text),
      drained: () => {},
    });
    conn.write(request);
  });
}

function named(name: string, request: string): Buffer {
  const header = encodeTransportHeader({ port: 80, name, protocol: "http/1" });
  return Buffer.concat([header, Buffer.from(request)]);
}

test("a named service is reached through the gateway, once around", async (t) => {
  const world = await mesh(t);
  const { server, second, env, run, start } = world;
  await application(t, server, (req, rsp) =>
    rsp.setHeader("x-seen", String(req.headers["forwarded"])).end(),
  );
  await start();
  await run({
    ...env("client", second),
    LINKERD2_PROXY_INBOUND_GATEWAY_SUFFIXES: "svc.cluster.local.",
  });
  const request = `GET / HTTP/1.1\r\nhost: ${FQDN}\r\n`;
  const door = { ip: second, port: 4143 };
  const reply = await ask(t, world, door, named(FQDN, `${request}\r\n`));
  assert.match(reply, /^HTTP\/1\.1 200 /);
  assert.match(reply, new RegExp(`x-seen: by=${NAME};for=${NAME};host=${FQDN};proto=https`));
  const around = named(FQDN, `${request}forwarded: by=${NAME};for=x\r\n\r\n`);
  const loop = await ask(t, world, door, around);
  assert.match(loop, /^HTTP\/1\.1 508 /);
  assert.equal(await ask(t, world, door, named("web.example", `${request}\r\n`)), "");
});

test("TLS for our identity is terminated on any port, without a transport header", async (t) => {
  const world = await mesh(t);
  await world.start();
  const door = { ip: world.server, port: 4191 };
  const reply = await ask(t, world, door, "GET /live HTTP/1.1\r\nhost: x\r\n\r\n");
  assert.match(reply, /^HTTP\/1\.1 200 [^]*live\n$/);
});
