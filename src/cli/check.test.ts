// The engine of check on a clock that is turned by hand, and its three formats.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Category, CheckOptions, Result } from "./check.ts";
import { printResult, printResultsJson, runChecks, succeeded } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { hintBase } from "./checkverb.ts";
import { DATA_NEWEST } from "./clusterchecks.ts";
import { obfuscate } from "./diagnostics.ts";
import { palette } from "./terminal.ts";

type Context = { tries: number; rightAt: number };

const fail = (): never => {
  throw new Fault("bad-input", "it is not so");
};

const table: Category<Context>[] = [
  {
    id: "linkerd-existence",
    checks: [
      { description: "first", severity: "error", run: () => {} },
      { description: "doubtful", severity: "warning", anchor: "l5d-doubt", run: fail },
      {
        description: "slow",
        severity: "error",
        retries: true,
        run: (c) => void (++c.tries < c.rightAt && fail()),
      },
    ],
  },
  {
    id: "linkerd-identity",
    checks: [
      { description: "fatal", severity: "fatal", run: fail },
      { description: "never reached", severity: "error", run: () => {} },
    ],
  },
];

async function run(context: Context, more: Partial<CheckOptions> = {}) {
  const clock = new VirtualClock();
  const waits: string[] = [];
  const running = runChecks(table, context, {
    waitMs: 10_000,
    hintBase: hintBase("stable-2.14.1"),
    clock,
    onResult: () => {},
    onWait: (what, error) => waits.push(`${what}: ${error}`),
    stopped: () => false,
    ...more,
  });
  let over = false;
  void running.then(() => (over = true));
  for (let i = 0; i < 100 && !over; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    clock.advance(1000);
  }
  return { results: await running, waits };
}

const verdicts = (results: readonly Result[]): string[] =>
  results.map(({ description, result }) => `${description} ${result}`);

test("checks run in order, wait for what may come, and stop at what is fatal", async () => {
  const { results, waits } = await run({ tries: 0, rightAt: 4 });
  assert.deepEqual(verdicts(results), [
    "first success",
    "doubtful warning",
    "slow success",
    "fatal error",
  ]);
  assert.equal(waits.length, 3);
  assert.equal(waits[0], "slow: it is not so");
  assert.equal(succeeded(results), false);
  assert.equal(succeeded(results.slice(0, 3)), true, "a warning passes");
});

test("waiting ends with its time, and when the user has had enough", async () => {
  const late = await run({ tries: 0, rightAt: 1000 });
  assert.equal(late.results[2]!.result, "error");
  assert.equal(late.waits.length, 10);
  const stopped = await run({ tries: 0, rightAt: 1000 }, { stopped: () => true });
  assert.equal(stopped.waits.length, 0);
});

test("a line for each check, with what is wrong and where to read on", async () => {
  const { results } = await run({ tries: 0, rightAt: 1 });
  assert.deepEqual(
    results.slice(0, 2).map((result) => printResult(result, palette(false))),
    [
      "√ first\n",
      "‼ doubtful\n    it is not so\n    see https://linkerd.io/2.14/checks/#l5d-doubt for hints\n",
    ],
  );
  assert.equal(printResult(results[3]!, palette(false)), "× fatal\n    it is not so\n");
  assert.equal(hintBase("edge-26.8.1"), "https://linkerd.io/2/checks/#");
});

test("JSON by category", async () => {
  const { results } = await run({ tries: 0, rightAt: 1 });
  assert.deepEqual(JSON.parse(printResultsJson(results)), {
    success: false,
    categories: [
      {
        categoryName: "linkerd-existence",
        checks: [
          { description: "first", result: "success" },
          {
            description: "doubtful",
            hint: "https://linkerd.io/2.14/checks/#l5d-doubt",
            error: "it is not so",
            result: "warning",
          },
          { description: "slow", result: "success" },
        ],
      },
      {
        categoryName: "linkerd-identity",
        checks: [{ description: "fatal", error: "it is not so", result: "error" }],
      },
    ],
  });
});

test("obfuscated metrics keep their shape and lose their names", () => {
  const line = 'request_total{authority="web:80",direction="outbound",dst_namespace="shop"} 3\n';
  const hidden = obfuscate(line);
  assert.match(
    hidden,
    /^request_total\{authority="[0-9a-f]{8}",direction="outbound",dst_namespace="[0-9a-f]{8}"\} 3\n$/,
  );
  assert.equal(obfuscate(line), hidden);
});

test("proxies of another version than the latest are named", async () => {
  const proxies = [
    { namespace: "shop", name: "old", proxyVersion: "edge-1" },
    { namespace: "shop", name: "new", proxyVersion: "edge-2" },
    { namespace: "shop", name: "here", proxyVersion: "local" },
  ];
  const context = (expectedVersion?: string) =>
    ({ env: {}, expectedVersion, proxies: async () => proxies }) as unknown as CheckContext;
  await assert.rejects(
    async () => DATA_NEWEST.run(context("edge-2")),
    /the latest version is edge-2, but these pods have another proxy:\n\t\* shop\/old \(edge-1\)$/,
  );
  await DATA_NEWEST.run(context());
});
