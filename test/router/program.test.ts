// The program as users start it: its words, its signals, its exit codes, and the examples.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test, type TestContext } from "node:test";
import { backend, eventually, send, freePort } from "./run.ts";

const MAIN = join(import.meta.dirname, "../../src/main.ts");
const HOME = join(import.meta.dirname, "../..");

function start(words: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...words], { cwd: HOME, stdio: "pipe" });
  let err = "";
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  const exit = once(child, "exit").then(([code]) => code as number);
  return { child, exit, out: text(child.stdout), err: () => err };
}

async function ask(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { exit, out, err, child } = start(words);
  child.stdin.end();
  return { code: await exit, out: await out, err: err() };
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "router-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("it runs a file, applies changes and SIGHUP, and ends in order", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const [port, admin] = [await freePort(), await freePort()];
  const path = join(folder(t), "linkerd.yaml");
  const write = (to: number) =>
    writeFileSync(
      path,
      `admin: {port: ${admin}}\nrouters: [{protocol: http, dtab: "/svc => /$/inet/127.1/${to}", servers: [{port: ${port}}]}]\n`,
    );
  write(a.port);
  const { child, exit, err } = start(["-log.level=INFO", path]);
  t.after(() => child.kill("SIGKILL"));
  await eventually(() => err().includes("initialized"));
  assert.match(err(), new RegExp(`serving http admin on /127\\.0\\.0\\.1:${admin}`));
  assert.match(err(), new RegExp(`serving http on /127\\.0\\.0\\.1:${port}`));
  assert.equal((await send(port, "/")).body, "a");
  write(b.port);
  await eventually(async () => (await send(port, "/")).body === "b");
  writeFileSync(path, "routers: nonsense\n");
  child.kill("SIGHUP");
  await eventually(() => err().includes("Configuration not applied, the old one stays"));
  assert.equal((await send(port, "/")).body, "b");
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
});

test("it serves on and ends in order when nobody reads its log any more", async (t) => {
  const [web, port] = [await backend(t, "web"), await freePort()];
  const path = join(folder(t), "linkerd.yaml");
  const routers = `routers: [{protocol: http, dtab: "/svc => /$/inet/127.1/${web.port}", servers: [{port: ${port}}]}]`;
  writeFileSync(path, `admin: {port: ${await freePort()}}\n${routers}\n`);
  const { child, exit, err } = start([path]);
  t.after(() => child.kill("SIGKILL"));
  await eventually(() => err().includes("initialized"));
  child.stderr.destroy();
  child.kill("SIGHUP");
  assert.equal((await send(port, "/")).body, "web");
  child.kill("SIGTERM");
  assert.equal(await exit, 0);
});

test("it says what is wrong, and does not start", async (t) => {
  const path = join(folder(t), "linkerd.yaml");
  writeFileSync(path, "servers: []\nrouters: [{protocol: http}]\n");
  const run = await ask(path);
  assert.equal(run.code, 1);
  assert.match(run.err, /linkerd\.yaml:1:1: error: servers: Unrecognized field "servers"/);
  assert.match(run.err, /router 'http' has no servers/);
  const validated = await ask("-validate=true", path);
  assert.equal(validated.code, 1);
  const absent = await ask("/nowhere/linkerd.yaml");
  assert.deepEqual(
    [absent.code, absent.err.includes("config is not a file: /nowhere/linkerd.yaml")],
    [1, true],
  );
});

test("a file may come by standard input, as YAML or JSON", async () => {
  const { child, exit } = start(["-validate", "-"]);
  child.stdin.end('{"routers": [{"protocol": "http", "servers": [{"port": 4140}]}]}');
  assert.equal(await exit, 0);
});

test("settings tells what a file may have", async () => {
  const { code, out } = await ask("router", "settings", "io.l5d.path");
  assert.equal(code, 0);
  assert.match(
    out,
    /^routers\[\]\.identifier\[\]\.consume \(io\.l5d\.path\)\n {4}true or false: /m,
  );
  assert.match(out, /^httpIdentifier io\.l5d\.path\n {4}\/svc\/<first segments/m);
  const lost = await ask("router", "settings", "nowhere");
  assert.deepEqual([lost.code, lost.err.includes('has "nowhere" in it')], [1, true]);
});

test("check tells all mistakes with places, as text or JSON", async (t) => {
  const path = join(folder(t), "linkerd.yaml");
  writeFileSync(
    path,
    `namers: [{kind: io.15d.fs, rootDir: .}]
routers:
- protocol: http
  client: {backoff: {kind: constant}, loadBalancer: {kind: p2c, maxEffort: 9}}
  servers: [{port: 4140}]
`,
  );
  const { code, out } = await ask("check", "-o", "json", path);
  assert.equal(code, 1);
  const { ok, diagnostics } = JSON.parse(out);
  assert.equal(ok, false);
  assert.deepEqual(
    diagnostics.map((one: any) => [one.severity, one.line, one.path]),
    [
      ["error", 1, "namers[0].kind"],
      ["error", 4, "routers[0].client.backoff"],
      ["warning", 4, "routers[0].client.loadBalancer.maxEffort"],
    ],
  );
  const short = await ask("router", "check", "-o", "short", path);
  assert.match(
    short.out,
    /linkerd\.yaml:1:17: error: namers\[0\]\.kind: .*did you mean io\.l5d\.fs\?/,
  );
});

test("explain tells the four steps by a file", async () => {
  const file = "examples/router/canary.yaml";
  const { code, out } = await ask("explain", file, "GET http://web/path");
  assert.equal(code, 0);
  for (const line of [
    "1. identification: /svc/web",
    "2. binding: bound",
    "(90 % of requests): 127.0.0.1:9001",
    "4. balancing:",
  ]) {
    assert.ok(out.includes(line), out);
  }
  const lost = await ask("explain", file, "GET http://nobody/", "-o", "json");
  assert.equal(lost.code, 1);
  assert.equal(JSON.parse(lost.out)[0].binding.outcome, "neg");
});
