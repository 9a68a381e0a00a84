// h2spec against our HTTP/2 server, the sidecars and the router, with and without TLS.
// Needs: h2spec.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { bare, bareTls } from "./bare.ts";
import { carry, dialInbound } from "./fronts.ts";
import type { At } from "./raw.ts";
import { run } from "../router/run.ts";
import { selfSigned } from "../support/certificates.ts";
import { hello, startWays } from "./ways.ts";

test("our server, cleartext", async (t) => {
  const server = await bare("http2");
  t.after(() => server.close());
  await h2spec(t, server);
});

test("our server, TLS", async (t) => {
  const server = await bareTls(await selfSigned("localhost"));
  t.after(() => server.close());
  await h2spec(t, server, ["-t", "-k"]);
});

test("the proxy, outbound", async (t) => {
  const ways = await startWays();
  t.after(() => ways.stop());
  await h2spec(t, ways.at("outbound", "http2"));
});

test("the proxies of a meshed pair", async (t) => {
  const ways = await startWays();
  t.after(() => ways.stop());
  await h2spec(t, ways.at("pair", "http2"));
});

test("the server's sidecar, inside mutual TLS", async (t) => {
  const ways = await startWays();
  t.after(() => ways.stop());
  // h2spec has no certificate and no header of transport: this has, and carries the bytes as they are.
  const carrier = await carry({ host: "127.0.0.1", port: 0 }, () =>
    dialInbound(ways, "http/2", "http2"),
  );
  t.after(() => carrier.close());
  await h2spec(t, { host: "127.0.0.1", port: (carrier.address() as AddressInfo).port });
});

for (const tls of [false, true])
  test(`the router, ${tls ? "TLS" : "cleartext"}`, async (t) => {
    const [server] = await hello(["127.0.0.1"], 0);
    t.after(() => server!.close());
    const { port } = server!.address() as AddressInfo;
    const { cert, key } = await selfSigned("localhost");
    const router = await run(
      t,
      `
routers:
- protocol: h2
  label: h2
  dtab: /svc => /$/inet/127.0.0.1/${port}
  servers: [{port: 0, ip: 127.0.0.1${tls ? ", tls: {certPath: DIR/cert.pem, keyPath: DIR/key.pem}" : ""}}]
`,
      { "cert.pem": cert, "key.pem": key },
    );
    const at = { host: "127.0.0.1", port: router.port("h2") };
    await h2spec(t, at, tls ? ["-t", "-k"] : []);
  });

/** Runs all of h2spec; every case has to pass. */
async function h2spec(t: TestContext, { host, port }: At, more: string[] = []): Promise<void> {
  const args = ["-h", host, "-p", String(port), "-o", "3", "--strict", ...more];
  const child = spawn("h2spec", args, { stdio: ["ignore", "pipe", "pipe"] });
  t.after(() => child.kill());
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (part: string) => (text += part));
  await new Promise((ended) => child.on("close", ended));
  const sum = /(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed/.exec(text);
  assert.ok(sum, text.slice(-2_000));
  const [, all, passed, skipped, failed] = sum.map(Number);
  t.diagnostic(`${passed} of ${all} passed, ${skipped} skipped`);
  assert.ok(all! > 100, "h2spec ran only a part of its cases");
  assert.equal(failed, 0, text.slice(text.indexOf("Failures:")));
}
