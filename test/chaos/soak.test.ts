// Mixed traffic through a meshed pair while endpoints come and go each second, the control plane is killed each minute,
// and a server's sidecar is drained and replaced between: no client may see an error, and memory stays flat. Two minutes
// unless SOAK_MINUTES says otherwise; SOAK_SEED repeats the choices of a run. `SOAK_MINUTES=30 node bin/node.mjs
// test/chaos/soak.test.ts` is a long one, which tells each minute how it goes.
// Needs: linux.

import assert from "node:assert/strict";
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { type Random, seededRandom } from "../../src/base/random.ts";
import { PROXY_ENV } from "../../src/platform/sidecar.ts";
import { type Proxy, startProxy } from "../support/proxy.ts";
import { Gauge } from "./soakgauge.ts";
import { served, startApps } from "./soakapps.ts";
import { closeTraffic, KINDS, type Kind } from "./soaktraffic.ts";
import { Turns } from "./soakturns.ts";
import { CLIENT, CLIENT_IP, listeners, manifests, PLANE_IP, SERVERS } from "./soakworld.ts";

const minutes = Number(process.env["SOAK_MINUTES"] ?? 2);
const seed = Number(process.env["SOAK_SEED"] ?? Date.now() % 1_000_000);
/** Who gets no answer for so long is told that there was none. */
const HANG_MS = 15_000;
/** The control plane is killed each minute and is away for so long; in between, a sidecar is replaced. */
const [KILL_S, AWAY_S, REPLACE_S] = [60, 4, 20];
/** Seconds until a sidecar is replaced; the client's has found the control plane again by then. */
const SETTLE_S = 15;
/** When memory counts as warm, at the latest after this part of the run, and how much it may grow from then on. */
const WARM_S = Math.min(300, minutes * 20);
const [RSS_MB, HEAP_MB] = [24, 6];
/** A schedule of which less than this was kept says little. */
const LEAST_KEPT = 0.5;
/** The share of its traffic that a workload may get that is no endpoint: what was under way when it ceased to be one. */
const MOST_STRAY = 0.1;
/** The conversations of each kind for each minute: the machine may be slow, but none may stand still. */
const LEAST_TALKS = 10;
/** Where V8's own account of the heap is printed, after each collection of all of it. */
const FLAGS = ["--trace-gc", "--trace-gc-ignore-scavenger"];

/** The environments of the sidecars, by pod. */
type Envs = Record<string, Record<string, string>>;
/** A busy machine is no failure: its applications accept late. */
const PATIENT = {
  LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT: "10s",
  LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "10s",
};
/** So many failures are told as they come. */
const MOST_TOLD = 40;

type Failure = { readonly second: number; readonly kind: string; readonly why: string };

test(`${minutes} minutes of everything`, { timeout: minutes * 60_000 + 120_000 }, async (t) => {
  const random = seededRandom(seed);
  const soak = await Soak.start(t, random);
  let until = performance.now() + minutes * 60_000;
  // Whatever ends the test ends the traffic.
  t.after(() => (until = 0));
  const failures: Failure[] = [];
  const counts = new Map<string, number>();
  const talking = KINDS.flatMap((kind) =>
    Array.from({ length: kind.workers }, () => talk(kind, seededRandom(random.below(2 ** 31)))),
  );

  function fail(kind: string, why: string): void {
    failures.push({ second: soak.second, kind, why });
    if (failures.length > MOST_TOLD) return;
    process.stderr.write(`${soak.second} s, ${kind}: ${why}; ${soak.last}\n${soak.logs()}`);
  }

  async function talk(kind: Kind, own: Random): Promise<void> {
    while (performance.now() < until) {
      const why = await failureOf(kind, own);
      counts.set(kind.name, (counts.get(kind.name) ?? 0) + 1);
      if (why !== undefined) fail(kind.name, why);
      await sleep(kind.pauseMs);
    }
  }

  soak.onTrouble = (error) => fail("the schedule", inspect(error));
  while (performance.now() < until) {
    await soak.tick().catch(soak.onTrouble);
    if (soak.second % 60 === 0) {
      const talks = [...counts.values()].reduce((sum, count) => sum + count, 0);
      process.stderr.write(
        `${soak.second} s: ${talks} conversations, ${failures.length} failures, ${soak.summary()}\n`,
      );
    }
    await sleep(1_000);
  }
  await Promise.all(talking);

  for (const [name, count] of counts) t.diagnostic(`${name}: ${count}`);
  t.diagnostic(`SOAK_SEED=${seed}; ${soak.second} s, ${soak.summary()}`);
  const gauges = [soak.gauges.get(CLIENT)!, soak.gauges.get("web-1")!];
  for (const gauge of gauges) t.diagnostic(gauge.summary());
  assert.deepEqual(failures.slice(0, MOST_TOLD), []);
  for (const { name } of KINDS)
    assert.ok(counts.get(name)! >= LEAST_TALKS * minutes, `${name}: only ${counts.get(name)}`);
  soak.assertKept();
  for (const gauge of gauges) {
    const { rssMb, heapMb } = gauge.growth();
    assert.ok(rssMb < RSS_MB, `${gauge.name} grew by ${rssMb} MB`);
    assert.ok(heapMb < HEAP_MB, `the heap of ${gauge.name} grew by ${heapMb} MB`);
  }
});

/** The parts, and what happens to them. */
class Soak {
  readonly gauges = new Map<string, Gauge>();
  second = 0;
  kills = 0;
  replacements = 0;
  longestDrainMs = 0;
  /** Told when the schedule cannot be kept. */
  onTrouble: (error: unknown) => void = () => {};
  /** What the schedule did last. */
  last = "";
  readonly #random: Random;
  readonly #folder: string;
  readonly #proxies = new Map<string, Proxy>();
  readonly #turns = new Turns(SERVERS.keys());
  /** The pods that are endpoints; one that is being replaced is none until it is back. */
  readonly #ready = new Set(SERVERS.keys());
  #replacing: string | undefined;
  #plane: ChildProcess | undefined;
  #envs: Envs = {};

  private constructor(random: Random, folder: string) {
    this.#random = random;
    this.#folder = folder;
  }

  static async start(t: TestContext, random: Random): Promise<Soak> {
    const folder = mkdtempSync(join(tmpdir(), "linkerd-soak-"));
    const soak = new Soak(random, folder);
    const apps = await Promise.all([...SERVERS.values()].map(startApps));
    t.after(async () => {
      closeTraffic();
      await Promise.all([...soak.#proxies.values()].map((proxy) => proxy.stop()));
      soak.#plane?.kill("SIGKILL");
      for (const close of apps) close();
      rmSync(folder, { recursive: true, force: true });
    });
    await soak.#startPlane();
    await Promise.all([CLIENT, ...SERVERS.keys()].map((pod) => soak.#startProxy(pod)));
    return soak;
  }

  /** What the proxies have said since this was asked last. */
  logs(): string {
    return [...this.#proxies]
      .map(([pod, proxy]) => {
        const lines = proxy.output
          .split("\n")
          .filter((line) => line && !line.includes("Mark-Compact"));
        proxy.output = "";
        return lines.map((line) => `  ${pod}: ${line}\n`).join("");
      })
      .join("");
  }

  /** What has happened so far. */
  summary(): string {
    const { in: into, out } = this.#turns.rates();
    return [
      `${this.#turns.changes} endpoints came or went`,
      `${into.toFixed(1)} requests a second to one, ${out.toFixed(1)} to one that is none`,
      `${this.kills} kills of the control plane`,
      `${this.replacements} sidecars replaced, the longest drain ${Math.round(this.longestDrainMs)} ms`,
    ].join(", ");
  }

  /** Fails when what should have happened did not. */
  assertKept(): void {
    const least = (every: number): number => Math.floor((this.second / every) * LEAST_KEPT);
    assert.ok(this.kills >= least(KILL_S), `only ${this.kills} kills`);
    assert.ok(this.replacements >= least(REPLACE_S), `only ${this.replacements} replacements`);
    assert.ok(this.#turns.changes >= least(1), `only ${this.#turns.changes} changes`);
    const { in: into, out } = this.#turns.rates();
    assert.ok(out < into * MOST_STRAY, "what is no endpoint has traffic as if it were one");
  }

  /** What the schedule has for this second. */
  async tick(): Promise<void> {
    this.second += 1;
    for (const gauge of this.gauges.values()) gauge.sample(this.second);
    for (const [pod, ip] of SERVERS) this.#turns.count(this.second, pod, served.get(ip)!);
    if (!this.#plane) this.#turns.unsettle(this.second);
    const at = this.second % KILL_S;
    if (at === 0) this.#kill();
    else if (at === AWAY_S && !this.#plane) await this.#startPlane();
    else if (this.second % REPLACE_S === SETTLE_S && !this.#replacing)
      void this.#replace().catch(this.onTrouble);
    this.#shuffle();
  }

  /** One endpoint goes or comes; one always stays. */
  #shuffle(): void {
    const all = [...SERVERS.keys()].filter((pod) => pod !== this.#replacing);
    const pod = all[this.#random.below(all.length)]!;
    if (!this.#ready.delete(pod)) this.#ready.add(pod);
    else if (this.#ready.size === 0) this.#ready.add(all[0]!);
    this.#tell();
  }

  #tell(): void {
    this.last = `ready: ${[...this.#ready].join()}`;
    this.#turns.tell(this.second, this.#ready);
    if (this.#plane?.connected) this.#plane.send(manifests(this.#ready));
  }

  #kill(): void {
    this.kills += 1;
    this.#plane!.kill("SIGKILL");
    this.#plane = undefined;
  }

  async #startPlane(): Promise<void> {
    const plane = fork(
      join(import.meta.dirname, "soakplane.ts"),
      [PLANE_IP, this.#folder, CLIENT, ...SERVERS.keys()],
      { stdio: "inherit" },
    );
    // It may be killed while it is told something.
    plane.on("error", () => {});
    plane.send(manifests(this.#ready));
    [this.#envs] = (await once(plane, "message")) as [Envs];
    this.#plane = plane;
  }

  /** Takes a sidecar out of the endpoints, lets it drain, and starts another in its place; never the first. */
  async #replace(): Promise<void> {
    const [, ...others] = SERVERS.keys();
    const pod = others[this.#random.below(others.length)]!;
    this.#replacing = pod;
    this.#ready.delete(pod);
    this.#ready.add("web-1");
    this.#tell();
    // What the client's sidecar is told takes a moment to arrive.
    await sleep(3_000);
    const began = performance.now();
    await this.#proxies.get(pod)!.stop("SIGTERM");
    this.longestDrainMs = Math.max(this.longestDrainMs, performance.now() - began);
    await this.#startProxy(pod);
    this.#replacing = undefined;
    this.replacements += 1;
  }

  async #startProxy(pod: string): Promise<void> {
    const ip = SERVERS.get(pod) ?? CLIENT_IP;
    const more = pod === CLIENT ? listeners() : {};
    const proxy = startProxy(ip, { ...PROXY_ENV, ...this.#envs[pod], ...PATIENT, ...more }, FLAGS);
    this.#proxies.set(pod, proxy);
    this.gauges.set(pod, new Gauge(pod, proxy.child, WARM_S));
    await proxy.ready();
  }
}

/** Why a conversation went wrong, if it did. */
async function failureOf(kind: Kind, random: Random): Promise<string | undefined> {
  const ended = new AbortController();
  const hung = sleep(HANG_MS, "it hangs", ended).catch(() => undefined);
  const said = kind.talk(random).then(
    () => undefined,
    (error: unknown) => inspect(error, { compact: true, breakLength: Infinity }),
  );
  const why = await Promise.race([said, hung]);
  ended.abort();
  return why;
}
