// `npm run bench`: what a request costs in our proxy and in others, side by side on this machine. Peers take turns, so
// that a noisy moment hits them all; each round starts its proxy anew, so that figures do not depend on one lucky start.

import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { startBackends } from "./backend.ts";
import { startMesh } from "./mesh.ts";
import { certify, type Peer, PEERS } from "./peers.ts";
import { printResult, type Result, type Row, toJson } from "./report.ts";
import { type Run, type Sample, scaled, type Scenario, SCENARIOS } from "./scenarios.ts";
import { within, withCores, type World } from "./world.ts";

const USAGE = `npm run bench -- [options]
  --scenario a,b   of ${SCENARIOS.map(({ name }) => name).join(" ")} (all)
  --peer a,b       of ${PEERS.map(({ name }) => name).join(" ")} (all that are here)
  --rounds N       how often each is measured (3)
  --seconds N      how long each time (3)
  --warmup N       seconds of load before that (2)
  --cores N        processors and workers of each proxy (1)
  --json FILE      all figures`;

const { values } = parseArgs({
  options: {
    scenario: { type: "string" },
    peer: { type: "string" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    warmup: { type: "string", default: "2" },
    cores: { type: "string", default: "1" },
    json: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(USAGE);
  process.exit(0);
}

const cores = positive("cores");
const scenarios = chosen(SCENARIOS, values.scenario, "scenario").flatMap((it) => scaled(it, cores));
const wanted = chosen(PEERS, values.peer, "peer");
const peers = wanted.filter((peer) => peer.find() !== undefined);
const rounds = positive("rounds");
const seconds = positive("seconds");
const warmup = positive("warmup");

await within(cores, async (world) => {
  const backends = await startBackends(world);
  certify(world.folder);
  const mesh = await startMesh(world);
  const results: Result[] = [];
  console.log(
    `Proxies on processor ${world.proxyCpus}, load and backend on ${world.loadCpus}; ` +
      `medians of ${rounds} rounds of ${seconds} s; CPU is that of all proxies together.`,
  );
  if (!world.redirects)
    console.log(
      "Without root nothing is redirected: no pairs, no many endpoints, no linkerd2-proxy.",
    );
  for (const { name, install } of wanted.filter((peer) => !peers.includes(peer)))
    console.log(`Not here: ${name} (${install}).`);
  if (cores >= cpus().length)
    console.log("Load and proxies share processors: rates say nothing of how it scales.");
  for (const scenario of scenarios) {
    const its = withCores(world, scenario.cores ?? cores);
    const result = await measure(its, scenario, (peer) => ({
      world: its,
      mesh,
      peer,
      seconds,
      warmup,
      hop: scenario.hop,
    }));
    results.push(result);
    console.log(`\n${printResult(result)}`);
    if (values.json !== undefined)
      writeFileSync(values.json, `${JSON.stringify(toJson(results), undefined, 2)}\n`);
  }
  await mesh.stop();
  await Promise.all(backends.map((backend) => backend.stop()));
});

/** All rounds of one scenario, peers taking turns; a peer that fails once is left out from then on. */
async function measure(
  world: World,
  scenario: Scenario,
  runOf: (peer: Peer) => Run,
): Promise<Result> {
  const notes: string[] = [];
  const samples = new Map<Peer, Sample[]>();
  for (const peer of peers) {
    const why = reasonAgainst(world, scenario, peer);
    if (why === undefined) samples.set(peer, []);
    else if (why !== "") notes.push(`${peer.name} is left out: ${why}.`);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [peer, taken] of samples) {
      progress(`${scenario.name}: ${peer.name}, round ${round} of ${rounds}`);
      try {
        taken.push(await scenario.measure(runOf(peer)));
      } catch (error) {
        notes.push(
          `${peer.name} failed in round ${round}: ${(error as Error).message.slice(0, 600)}`,
        );
        samples.delete(peer);
      }
    }
  }
  progress("");
  const rows: Row[] = [...samples].map(([{ name }, taken]) => ({ peer: name, samples: taken }));
  return { scenario, rows, notes };
}

/** Why a peer does not take part; "" when there is nothing to say about it. */
function reasonAgainst(world: World, { hop, direct }: Scenario, peer: Peer): string | undefined {
  if (!peer.can(hop) || (peer.name === "direct" && !direct)) return "";
  const redirected = hop.between === "pair" || hop.endpoints > 1;
  if (!world.redirects && (redirected || peer.name === "linkerd2-proxy")) return "needs root";
  return undefined;
}

function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  wanted: string | undefined,
  what: string,
): readonly T[] {
  if (wanted === undefined) return all;
  return wanted.split(",").map((name) => {
    const found = all.find((it) => it.name === name);
    if (found === undefined) fail(`There is no ${what} "${name}".`);
    return found;
  });
}

function positive(option: "rounds" | "seconds" | "warmup" | "cores"): number {
  const value = Number(values[option]);
  if (!(value > 0)) fail(`--${option} ${values[option]}: a number above 0 is wanted.`);
  return value;
}

function fail(sentence: string): never {
  console.error(`${sentence}\n${USAGE}`);
  process.exit(64);
}

/** A line that the next one replaces, where a person is looking. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1B[K${text}`);
}
