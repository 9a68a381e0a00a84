// h2spec against our HTTP/2 server, with and without TLS, and against the proxy.
// Needs: h2spec.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test, type TestContext } from "node:test";
import { bare, bareTls } from "./bare.ts";
import type { At } from "./raw.ts";
import { selfSigned } from "../support/certificates.ts";
import { startWays } from "./ways.ts";

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
