// Scopes close what was opened in them, last first, once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Scope } from "./scope.ts";

test("closers run once, last first, and children close with their parent", async () => {
  const scope = new Scope();
  const order: string[] = [];
  scope.defer(() => void order.push("first"));
  const child = scope.child();
  child.defer(() => void order.push("child"));
  scope.defer(async () => void order.push("last"));
  await Promise.all([scope.close(), scope.close()]);
  assert.deepEqual(order, ["last", "child", "first"]);
  assert.ok(child.closed);
});

test("an error of one closer does not spare the others", async () => {
  const scope = new Scope();
  let ran = false;
  scope.defer(() => void (ran = true));
  scope.defer(() => {
    throw new Error("broken");
  });
  await assert.rejects(scope.close(), /broken/);
  assert.ok(ran);
});

test("what is deferred after the close runs at once; what is taken back never does", async () => {
  const scope = new Scope();
  let count = 0;
  scope.defer(() => void count++)();
  await scope.close();
  assert.equal(count, 0);
  scope.defer(() => void count++);
  assert.equal(count, 1);
});

test("a child that closes early is forgotten by its parent", async () => {
  const scope = new Scope();
  const child = scope.child();
  let count = 0;
  child.defer(() => void count++);
  await child.close();
  await scope.close();
  assert.equal(count, 1);
});
