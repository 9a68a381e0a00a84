// Streams as watches, on a clock that is turned by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Counter } from "../base/metrics.ts";
import { seededRandom } from "../base/random.ts";
import { Subscription, feed, type Answer, type OpenStream } from "./subscription.ts";
import type { State } from "../base/watch.ts";

type Stream = {
  message: (text: string) => void;
  end: (status: number, why: string) => void;
  closed: boolean;
};

function setUp(limits: { initialMs?: number; idleMs?: number; lifetimeMs?: number } = {}) {
  const clock = new VirtualClock();
  const streams: Stream[] = [];
  const failures = new Counter();
  const open: OpenStream<string> = (message, end) => {
    const stream: Stream = { message, end, closed: false };
    streams.push(stream);
    return () => (stream.closed = true);
  };
  const subscription = new Subscription<string>({
    feed: feed(open, () => {
      let sum = "";
      return (text) => {
        if (text === "bad") throw new Fault("invalid-policy", "bad");
        return (sum += text);
      };
    }),
    clock,
    random: seededRandom(1),
    lingerMs: 5000,
    initialMs: limits.initialMs,
    idleMs: limits.idleMs,
    lifetimeMs: limits.lifetimeMs,
    failures,
  });
  const seen: string[] = [];
  const look = () => subscription.observe((state) => seen.push(show(state)));
  return { clock, streams, failures, subscription, seen, look };
}

function show(state: State<Answer<string>>): string {
  const text = (answer: Answer<string> | undefined): string =>
    answer === undefined ? "?" : answer.exists ? answer.value : `none: ${answer.why}`;
  if (state.kind === "pending") return "pending";
  return state.kind === "ok" ? text(state.value) : `failed, last ${text(state.last)}`;
}

test("messages of a stream add up, a new stream starts over", () => {
  const { clock, streams, seen, look } = setUp();
  look();
  streams[0]!.message("a");
  streams[0]!.message("b");
  streams[0]!.end(14, "gone");
  assert.deepEqual(seen, ["a", "ab"]);
  clock.advance(200);
  streams[1]!.message("c");
  assert.deepEqual(seen, ["a", "ab", "c"]);
});

test("it backs off, and says that it failed with what it last knew", () => {
  const { clock, streams, failures, seen, look } = setUp();
  look();
  streams[0]!.message("a");
  streams[0]!.end(14, "gone");
  clock.advance(200);
  streams[1]!.end(14, "refused");
  assert.deepEqual(seen, ["a", "failed, last a"]);
  assert.equal(failures.value, 2);
  clock.advance(60_000);
  const early = streams.length;
  assert.ok(early < 5, "one attempt is under way, none is piled on it");
});

test("attempts grow apart up to two seconds", () => {
  const { clock, streams, look } = setUp();
  look();
  for (let i = 0; i < 60; i++) {
    streams.at(-1)!.end(14, "refused");
    const before = streams.length;
    while (streams.length === before) clock.advance(50);
  }
  assert.ok(clock.now() > 100_000 && clock.now() < 130_000, String(clock.now()));
});

test("an answer that there is nothing is no failure, and replaces what was known", () => {
  const { streams, failures, seen, look } = setUp();
  look();
  streams[0]!.message("a");
  streams[0]!.end(5, "no such service");
  assert.deepEqual(seen, ["a", "none: no such service"]);
  assert.equal(failures.value, 0);
});

test("a bad message keeps the last good value", () => {
  const { streams, seen, look } = setUp();
  look();
  streams[0]!.message("a");
  streams[0]!.message("bad");
  assert.deepEqual(seen, ["a", "failed, last a"]);
});

test("the stream outlives its last observer by the linger time", () => {
  const { clock, streams, seen, look } = setUp();
  const close = look();
  streams[0]!.message("a");
  close();
  clock.advance(4000);
  look()();
  clock.advance(4999);
  assert.equal(streams[0]!.closed, false);
  assert.equal(streams.length, 1);
  clock.advance(2);
  assert.equal(streams[0]!.closed, true);
  look();
  assert.equal(streams.length, 2);
  assert.deepEqual(seen, ["a", "a"]);
});

test("old knowledge has to do when the control plane is away or mute", () => {
  const { clock, streams, seen, look } = setUp();
  look()();
  streams[0]!.message("a");
  clock.advance(5001);
  const close = look();
  streams[1]!.end(14, "refused");
  assert.deepEqual(seen, ["failed, last a"]);
  close();
  clock.advance(5001);
  look();
  clock.advance(1001);
  assert.deepEqual(seen, ["failed, last a", "failed, last a"]);
});

test("streams that are mute, silent or old are opened anew", () => {
  const { clock, streams, failures, look } = setUp({
    initialMs: 3000,
    idleMs: 10_000,
    lifetimeMs: 30_000,
  });
  look();
  clock.advance(3200);
  assert.equal(streams.length, 2);
  assert.equal(streams[0]!.closed, true);
  streams[1]!.message("a");
  clock.advance(9000);
  streams[1]!.message("b");
  clock.advance(9000);
  assert.equal(streams.length, 2);
  clock.advance(1300);
  assert.equal(streams.length, 3);
  streams[2]!.message("c");
  for (let i = 0; i < 4; i++) {
    clock.advance(8000);
    streams[2]!.message("d");
  }
  assert.equal(streams.length, 4);
  assert.equal(failures.value, 1, "of these, only the mute one has failed");
});
