// The workload `vote-bot`: a visitor that never tires. It asks `web` for the list and votes, REQUEST_RATE times a
// second (1) for TTL seconds (for ever). It picks by chance, but has a sweet tooth.

import { setTimeout as sleep } from "node:timers/promises";
import type { Emoji } from "./grpc.ts";
import { numberSetting, onStop, settings } from "./workload.ts";

const sweetTooth = 0.15;
const patienceMs = 10_000;

const web = `http://${settings("vote-bot", { WEB_HOST: "web-svc.emojivoto:80" }).WEB_HOST}`;
const periodMs = 1_000 / (numberSetting("vote-bot", "REQUEST_RATE", 1) || 1);
const ttlMs = 1_000 * (numberSetting("vote-bot", "TTL", 0) || Infinity);

async function ask(path: string): Promise<Response> {
  const rsp = await fetch(web + path, { signal: AbortSignal.timeout(patienceMs) });
  if (!rsp.ok) throw new Error(`${path} answered ${rsp.status}: ${await rsp.text()}`);
  return rsp;
}

async function vote() {
  const list = (await (await ask("/api/list")).json()) as Emoji[];
  const picked = list[Math.floor(Math.random() * list.length)]?.shortcode;
  const choice = Math.random() < sweetTooth || !picked ? ":doughnut:" : picked;
  await (await ask(`/api/vote?choice=${choice}`)).body?.cancel();
  console.log(`✔ voted for ${choice}`);
}

const stopping = new AbortController();
const idle = Promise.withResolvers<void>();
onStop("vote-bot", () => {
  stopping.abort();
  return idle.promise;
});

const end = performance.now() + ttlMs;
for (let next = performance.now(); next < end && !stopping.signal.aborted; next += periodMs) {
  const waitMs = Math.max(0, next - performance.now());
  await sleep(waitMs, undefined, { signal: stopping.signal }).catch(() => undefined);
  if (!stopping.signal.aborted)
    await vote().catch((cause: Error) => console.error(`✘ ${describe(cause)}`));
  // What a slow vote has missed is not caught up with.
  next = Math.max(next, performance.now() - periodMs);
}
idle.resolve();

/** `fetch` hides why a connection failed in the cause. */
function describe(error: Error): string {
  return error.cause instanceof Error ? `${web}: ${error.cause.message}` : error.message;
}
