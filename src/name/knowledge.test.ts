// What is kept of answers, and when it stands in for them; on a virtual clock.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { type State, Var } from "../base/watch.ts";
import { Knowledge } from "./knowledge.ts";

const away = new Fault("unavailable", "away");

async function after(
  t: TestContext,
  answer: unknown,
): Promise<{ folder: string; clock: VirtualClock }> {
  const folder = mkdtempSync(join(tmpdir(), "knowledge-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const clock = new VirtualClock();
  const before = new Knowledge(clock);
  before.open(folder);
  before.remember("it", new Var(answer)).observe(() => {});
  await before.close();
  clock.advance(5000);
  return { folder, clock };
}

function follow(knowledge: Knowledge, source: Var<unknown>): State<unknown>[] {
  const states: State<unknown>[] = [];
  knowledge.remember("it", source).observe((state) => states.push(state));
  return states;
}

test("what was kept stands in when the source fails, and goes when it answers", async (t) => {
  const { folder, clock } = await after(t, ["old"]);
  const knowledge = new Knowledge(clock);
  knowledge.open(folder);
  const source = new Var<unknown>();
  const states = follow(knowledge, source);
  source.fail(away);
  assert.deepEqual(states, [
    { kind: "ok", value: ["old"] },
    { kind: "failed", fault: away, last: ["old"] },
  ]);
  const [entry] = knowledge.live;
  assert.equal(clock.wall() - entry!.keptFrom!, 5000);
  source.fail(away);
  assert.equal(states.length, 3, "it is told once as good and from then on as old");
  source.set(["new"]);
  assert.deepEqual(states.at(-1), { kind: "ok", value: ["new"] });
  assert.deepEqual([knowledge.live[0]!.state, knowledge.live[0]!.keptFrom], ["ok", undefined]);
  source.fail(away);
  assert.deepEqual(states.at(-1), { kind: "failed", fault: away, last: ["new"] });
});

test("a source that is late has a second; one that has answered is never replaced", async (t) => {
  const { folder, clock } = await after(t, "old");
  const knowledge = new Knowledge(clock);
  knowledge.open(folder);
  const late = follow(knowledge, new Var<unknown>());
  clock.advance(990);
  assert.deepEqual(late, []);
  clock.advance(20);
  assert.deepEqual(late[0], { kind: "ok", value: "old" });
  const prompt = follow(knowledge, new Var<unknown>("new"));
  clock.advance(2000);
  assert.deepEqual(prompt, [{ kind: "ok", value: "new" }]);
});

test("without a folder nothing is kept, and failures pass as they are", () => {
  const clock = new VirtualClock();
  const knowledge = new Knowledge(clock);
  const source = new Var<unknown>();
  const states = follow(knowledge, source);
  source.fail(away);
  clock.advance(2000);
  assert.deepEqual(states, [{ kind: "failed", fault: away }]);
  assert.ok(!knowledge.has("it"));
});
