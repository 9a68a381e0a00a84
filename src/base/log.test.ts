// Log lines in both shapes, and filters that change.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "./clock.ts";
import { Fault } from "./fault.ts";
import { Log, parseLogFilter } from "./log.ts";

function recorded(
  filter: string,
  format: "plain" | "json" = "plain",
): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const clock = new VirtualClock();
  clock.advance(1234.5);
  return { log: new Log({ filter, format, clock, write: (line) => lines.push(line) }), lines };
}

test("plain lines have the time, the level, the module and the fields", () => {
  const { log, lines } = recorded("warn,linkerd=info");
  log.logger("outbound").info("Connected", { addr: "10.0.0.1:80", error: new Fault("io", "gone") });
  assert.deepEqual(lines, [
    "[     1.234500s]  INFO ThreadId(01) linkerd::outbound: Connected addr=10.0.0.1:80 error=gone",
  ]);
});

test("json lines are one object each", () => {
  const { log, lines } = recorded("info", "json");
  log.logger("outbound").warn("Late", { ms: 12 });
  assert.deepEqual(JSON.parse(lines[0]!), {
    timestamp: "2023-11-14T22:13:21.234Z",
    level: "WARN",
    fields: { message: "Late", ms: "12" },
    target: "linkerd::outbound",
    threadId: "ThreadId(01)",
  });
});

test("the longest module that matches decides, and the filter changes at run time", () => {
  const { log, lines } = recorded("warn,linkerd=info,linkerd::tap=off");
  const [outbound, tap] = [log.logger("outbound"), log.logger("tap")];
  outbound.debug("no");
  tap.error("no");
  log.filter = "error,linkerd::tap=trace";
  outbound.warn("no");
  tap.trace("yes");
  assert.equal(lines.length, 1);
  assert.equal(outbound.debugging, false);
});

test("a line break in a message cannot forge a line", () => {
  const { log, lines } = recorded("info");
  log.logger("x").info("a\n[0.0s] ERROR forged", { path: "/\r\nb" });
  assert.match(lines[0]!, /: a\\n\[0\.0s\] ERROR forged path=\/\\r\\nb$/);
});

test("a filter that cannot be read is refused whole", () => {
  const { log } = recorded("info");
  assert.throws(() => (log.filter = "loud,linkerd=noisy"), {
    code: "bad-input",
    message: /"linkerd=noisy"/,
  });
  assert.equal(log.filter, "info");
  assert.deepEqual(parseLogFilter(""), []);
});
