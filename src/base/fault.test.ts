// Faults: what is thrown becomes one, and the table gives each code its meaning.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "./fault.ts";

test("system errors are named by their errno, faults stay, the rest is unexpected", () => {
  const refused = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
  assert.equal(Fault.from(refused).code, "connect-failed");
  const fault = new Fault("forbidden", "no");
  assert.equal(Fault.from(fault), fault);
  assert.equal(Fault.from(new TypeError("x is undefined")).code, "unexpected");
  assert.equal(Fault.from("text").message, "text");
});

test("a fault captures no stack and leaves the limit as it was", () => {
  const before = Error.stackTraceLimit;
  const fault = new Fault("io", "broken pipe");
  assert.equal(Error.stackTraceLimit, before);
  assert.doesNotMatch(fault.stack ?? "", /\n\s+at /);
});

test("the table decides, and a fault may know better", () => {
  assert.deepEqual(new Fault("failfast", "x").meaning, {
    http: 504,
    grpc: 4,
    closes: true,
    retryable: true,
  });
  assert.equal(new Fault("connect-failed", "x").retryable, true);
  assert.equal(new Fault("connect-failed", "x", { retryable: false }).retryable, false);
});
