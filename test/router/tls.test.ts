// TLS of routers: both sides, names out of prefixes, certificates of clients, certificates that change.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import https from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { openIssuer } from "../../src/control/issuer.ts";
import { credentialsOf } from "../support/certificates.ts";
import { backend, eventually, run, send } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "router-tls-"));
const { issuer } = await openIssuer(folder, "test", systemClock);
rmSync(folder, { recursive: true });

/** A server over TLS that tells the name that it was asked for, and the client's. */
async function secure(t: TestContext, name: string, clients = false): Promise<number> {
  const { certPem: cert, keyPem: key, rootsPem: ca } = await credentialsOf(issuer, name);
  const options = { cert, key, ca, requestCert: clients, rejectUnauthorized: clients };
  const server = https.createServer(options, (req, rsp) => {
    const socket = req.socket as import("node:tls").TLSSocket & { servername: string };
    rsp.end(`${socket.servername} ${clients ? socket.getPeerCertificate().subjectaltname : ""}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const plain = (port: number, client: string) => `
routers:
- protocol: http
  dtab: /svc => /$/io.buoyant.http.anyHostPfx/ph; /ph => /$/inet/127.0.0.1/${port}; /svc/* => /$/inet/127.0.0.1/${port}
  client:
    kind: io.l5d.static
    configs:
    ${client.trim().replaceAll("\n", "\n    ")}
  servers: [{port: 0, ip: 127.0.0.1}]
`;

test("a client's TLS checks the name, which a prefix may capture (C1b)", async (t) => {
  const port = await secure(t, "web.test");
  const { rootsPem } = await credentialsOf(issuer, "any.test");
  const file = (name: string) => `
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  client:
    kind: io.l5d.static
    configs:
    - prefix: "/#/io.l5d.fs/{service}"
      tls: {commonName: "${name}", trustCertsBundle: DIR/roots.pem}
  servers: [{port: 0, ip: 127.0.0.1}]
`;
  const files = { "disco/web": `127.0.0.1 ${port}\n`, "roots.pem": rootsPem };
  const good = await run(t, file("{service}.test"), files);
  assert.equal((await send(good.port(), "/")).body, "web.test ");
  const bad = await run(t, file("{service}.other"), files);
  const { status, body } = await send(bad.port(), "/");
  assert.equal(status, 502);
  assert.match(body, /does not match certificate/);
});

test("disableValidation takes any certificate, and still sends the name", async (t) => {
  const port = await secure(t, "web.test");
  const at = await run(
    t,
    plain(
      port,
      '- prefix: "/$/inet/{host}/*"\n  tls: {commonName: "asked.test", disableValidation: true}',
    ),
  );
  assert.equal((await send(at.port(), "/")).body, "asked.test ");
});

test("a client shows its certificate to a server that wants one", async (t) => {
  const port = await secure(t, "web.test", true);
  const { certPem, keyPem, rootsPem } = await credentialsOf(issuer, "router.test");
  const at = await run(
    t,
    plain(
      port,
      `- prefix: /
  tls:
    commonName: web.test
    trustCertsBundle: DIR/roots.pem
    clientAuth: {certPath: DIR/cert.pem, keyPath: DIR/key.pem}`,
    ),
    { "roots.pem": rootsPem, "cert.pem": certPem, "key.pem": keyPem },
  );
  assert.equal((await send(at.port(), "/")).body, "web.test DNS:router.test");
});

const server = (more: string, dtab: string, client = "{}") => `
routers:
- protocol: http
  dtab: ${dtab}
  client: ${client}
  servers:
  - port: 0
    ip: 127.0.0.1
    tls: {certPath: DIR/cert.pem, keyPath: DIR/key.pem${more}}
`;

/** One request over TLS to a router. */
function ask(port: number, options: https.RequestOptions): Promise<{ body: string; name: string }> {
  return new Promise((resolve, reject) => {
    const at = {
      host: "127.0.0.1",
      port,
      agent: false,
      servername: "edge.test",
      ...options,
    } as const;
    const req = https.request({ ...at, headers: { host: "web" } }, (rsp) => {
      const name = (rsp.socket as import("node:tls").TLSSocket).getPeerCertificate()
        .subjectaltname!;
      text(rsp).then((body) => resolve({ body, name }), reject);
    });
    req.on("error", reject);
    req.end();
  });
}

test("a server's TLS: clients without it fail, and certificates change while it runs (D5)", async (t) => {
  const web = await backend(t, "web");
  const edge = await credentialsOf(issuer, "edge.test");
  const at = await run(t, server("", `/svc => /$/inet/127.1/${web.port}`), {
    "cert.pem": edge.certPem,
    "key.pem": edge.keyPem,
  });
  const ca = edge.rootsPem;
  assert.deepEqual(await ask(at.port(), { ca }), { body: "web", name: "DNS:edge.test" });
  await assert.rejects(send(at.port(), "/"));
  const next = await credentialsOf(issuer, "next.test");
  at.write("key.pem", "no key");
  // Until the file has been read, whenever that is, and from then on.
  for (let i = 0; i < 20; i++) {
    assert.equal((await ask(at.port(), { ca })).name, "DNS:edge.test");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  at.write("key.pem", next.keyPem);
  at.write("cert.pem", next.certPem);
  await eventually(async () => {
    const found = await ask(at.port(), { ca, servername: "next.test" }).catch(() => undefined);
    return found?.name === "DNS:next.test";
  });
});

test("mutual TLS: clients need a certificate, which may be told to the backend", async (t) => {
  const web = await backend(t, "web");
  const edge = await credentialsOf(issuer, "edge.test");
  const more = ", caCertPath: DIR/ca.pem, requireClientAuth: true";
  const at = await run(
    t,
    server(more, `/svc => /$/inet/127.1/${web.port}`, "{forwardClientCert: true}"),
    { "cert.pem": edge.certPem, "key.pem": edge.keyPem, "ca.pem": edge.rootsPem },
  );
  const ca = edge.rootsPem;
  await assert.rejects(ask(at.port(), { ca }));
  const { certPem: cert, keyPem: key } = await credentialsOf(issuer, "client.test");
  assert.equal((await ask(at.port(), { ca, cert, key })).body, "web");
  assert.match(
    web.seen[0]!.headers["x-forwarded-client-cert"] as string,
    /^Hash=[0-9A-F]{64};DNS=client\.test;Subject="/,
  );
});

test("a missing certificate is told at start, with its file", async (t) => {
  await assert.rejects(
    run(t, server("", "/svc => /$/inet/127.1/1")),
    /TLS file .*cert\.pem is missing/,
  );
});
