// Bodies between a scripted origin and a sink that writes down what it is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import { Body, type BodyEnd, type Origin, type Sink } from "./body.ts";

const fault = new Fault("reset", "the other side gave up");

/** A sink that writes down what it is told; `takes` says how many chunks until it asks to wait. */
class Recorder implements Sink {
  readonly seen: string[] = [];
  takes: number;

  constructor(takes = Infinity) {
    this.takes = takes;
  }

  chunk(chunk: Buffer): boolean {
    this.seen.push(chunk.toString());
    return --this.takes > 0;
  }

  end(trailers: Headers | undefined): void {
    this.seen.push(trailers ? `end ${trailers.join(" ")}` : "end");
  }

  abort(cause: Fault): void {
    this.seen.push(`abort ${cause.code}`);
  }
}

class Source implements Origin {
  readonly heard: string[] = [];

  resume(): void {
    this.heard.push("resume");
  }

  cancel(cause: Fault): void {
    this.heard.push(`cancel ${cause.code}`);
  }
}

function hooked(body: Body): BodyEnd[] {
  const ends: BodyEnd[] = [];
  body.onEnd((end) => ends.push(end));
  return ends;
}

test("chunks pass in order, then the trailers", () => {
  const origin = new Source();
  const body = Body.stream(origin, 6);
  const ends = hooked(body);
  assert.equal(body.push(Buffer.from("abc")), false, "nobody has asked for it");
  const sink = new Recorder();
  body.to(sink);
  assert.equal(body.push(Buffer.from("def")), true);
  body.finish(["x-sum", "6"]);
  assert.deepEqual(sink.seen, ["abc", "def", "end x-sum 6"]);
  assert.deepEqual(origin.heard, ["resume"]);
  assert.deepEqual(ends, [{ bytes: 6, trailers: ["x-sum", "6"], fault: undefined }]);
});

test("what was complete before anybody asked is whole", () => {
  const body = Body.stream(new Source());
  body.push(Buffer.from("abc"));
  body.push(Buffer.from("def"));
  body.finish(["t", "1"]);
  assert.equal(body.whole?.toString(), "abcdef");
  assert.equal(body.length, 6);
  assert.deepEqual(body.ended, { bytes: 6, trailers: ["t", "1"], fault: undefined });
  const sink = new Recorder();
  body.to(sink);
  assert.deepEqual(sink.seen, ["abcdef", "end t 1"]);
});

test("a sink that asks to wait gets nothing until it resumes", () => {
  // Too large to wait together.
  const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(2_000)) as [
    string,
    string,
    string,
  ];
  const origin = new Source();
  const body = Body.stream(origin);
  const ends = hooked(body);
  const sink = new Recorder(1);
  body.to(sink);
  assert.equal(body.push(Buffer.from(a)), false);
  assert.equal(body.push(Buffer.from(b)), false);
  assert.equal(body.push(Buffer.from(c)), false);
  body.finish();
  assert.deepEqual(sink.seen, [a]);
  assert.equal(ends.length, 0, "the consumer does not have it all");
  sink.takes = 1;
  body.resume();
  assert.deepEqual(sink.seen, [a, b]);
  sink.takes = 9;
  body.resume();
  assert.deepEqual(sink.seen, [a, b, c, "end"]);
  assert.deepEqual(origin.heard, ["resume"], "a finished origin is not asked for more");
});

test("a paused body without backlog asks its origin again", () => {
  const origin = new Source();
  const body = Body.stream(origin);
  body.to(new Recorder(1));
  assert.equal(body.push(Buffer.from("a")), false);
  body.resume();
  assert.deepEqual(origin.heard, ["resume", "resume"]);
});

test("an origin that aborts drops what waits", () => {
  const body = Body.stream(new Source());
  const ends = hooked(body);
  const sink = new Recorder(1);
  body.to(sink);
  body.push(Buffer.from("a"));
  body.push(Buffer.from("b"));
  body.abort(fault);
  body.resume();
  body.finish();
  assert.deepEqual(sink.seen, ["a", "abort reset"]);
  assert.deepEqual(ends, [{ bytes: 2, trailers: undefined, fault }]);
});

test("an abort before anybody asked reaches whoever asks", () => {
  const body = Body.stream(new Source());
  body.push(Buffer.from("a"));
  body.abort(fault);
  const sink = new Recorder();
  body.to(sink);
  assert.deepEqual(sink.seen, ["abort reset"]);
});

test("cancel tells the origin, cut tells both", () => {
  for (const how of ["cancel", "cut"] as const) {
    const origin = new Source();
    const body = Body.stream(origin);
    const ends = hooked(body);
    const sink = new Recorder();
    body.to(sink);
    body.push(Buffer.from("a"));
    body[how](fault);
    body[how](fault);
    assert.equal(body.push(Buffer.from("b")), true, "pushed into the void");
    assert.deepEqual(origin.heard, ["resume", "cancel reset"]);
    assert.deepEqual(sink.seen, how === "cut" ? ["a", "abort reset"] : ["a"]);
    assert.deepEqual(ends, [{ bytes: 1, trailers: undefined, fault }]);
  }
});

test("a consumer that gives up on a finished body is no concern of its origin", () => {
  const origin = new Source();
  const body = Body.stream(origin);
  const ends = hooked(body);
  body.to(new Recorder(1));
  body.push(Buffer.from("a"));
  body.push(Buffer.from("b"));
  body.finish();
  body.cancel(fault);
  assert.deepEqual(origin.heard, ["resume"]);
  assert.equal(ends[0]?.fault, fault);
});

test("hooks run in order, and at once when it is over", () => {
  const order: number[] = [];
  const body = Body.stream(new Source());
  body.onEnd(() => order.push(1));
  body.onEnd(() => order.push(2));
  body.onEnd(() => order.push(3));
  body.finish();
  body.onEnd(() => order.push(4));
  assert.deepEqual(order, [1, 2, 3, 4]);
});

test("read gathers a small body and refuses a large one", async () => {
  const tooLarge = () => new Fault("body-too-large", "too large");
  const body = Body.stream(new Source());
  const bytes = body.read(6, tooLarge);
  body.push(Buffer.from("abc"));
  body.push(Buffer.from("def"));
  body.finish();
  assert.equal((await bytes).toString(), "abcdef");
  assert.equal((await Body.of("abc").read(3, tooLarge)).toString(), "abc");
  await assert.rejects(Body.of("abcd").read(3, tooLarge), { code: "body-too-large" });

  const origin = new Source();
  const large = Body.stream(origin);
  const refused = assert.rejects(large.read(3, tooLarge), { code: "body-too-large" });
  large.push(Buffer.from("abcd"));
  await refused;
  assert.deepEqual(origin.heard, ["resume", "cancel body-too-large"]);
});

test("whatever the pace of both sides, every byte arrives once and in order", () => {
  const chunks = fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 20 });
  const paces = fc.array(fc.nat(3), { maxLength: 40 });
  fc.assert(
    fc.property(chunks, paces, fc.nat(20), (all, turns, attachAt) => {
      const body = Body.stream(new Source());
      const sink = new Recorder(1);
      const left = [...all];
      for (const [i, pace] of turns.entries()) {
        if (i === attachAt) body.to(sink);
        if (pace < 2 && left.length > 0) body.push(Buffer.from(left.shift()!));
        if (pace > 1) sink.takes = pace;
        if (pace > 0) body.resume();
      }
      for (const chunk of left) body.push(Buffer.from(chunk));
      body.finish();
      if (turns.length <= attachAt) body.to(sink);
      for (let i = 0; i <= all.length; i++) body.resume();
      assert.equal(sink.seen.join(""), `${all.join("")}end`);
    }),
  );
});

test("small pieces that wait are joined, in order, and take no more memory than they are long", () => {
  const sizes = fc.array(fc.constantFrom(1, 10, 1_024, 1_025, 9_000, 20_000), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 3 }), (all, takes) => {
      const body = Body.stream(new Source());
      let sent = "";
      for (const [i, size] of all.entries()) {
        const piece = String.fromCharCode(97 + (i % 26)).repeat(size);
        sent += piece;
        body.push(Buffer.from(piece));
      }
      const sink = new Recorder(takes);
      body.to(sink);
      while (sink.takes <= 0) {
        sink.takes = takes;
        body.resume();
      }
      assert.equal(sink.seen.join(""), sent);
    }),
  );
  const body = Body.stream(new Source());
  for (let n = 0; n < 65_535; n++) body.push(Buffer.from("x"));
  const sink = new Recorder();
  body.to(sink);
  assert.deepEqual(
    sink.seen.map(({ length }) => length),
    [16_384, 16_384, 16_384, 16_383],
  );
});

test("what comes while a piece is taken follows it", () => {
  const body = Body.stream(new Source());
  const seen: string[] = [];
  body.push(Buffer.from("a"));
  body.push(Buffer.from("b"));
  body.to({
    chunk: (chunk) => {
      seen.push(chunk.toString());
      if (seen.length < 4) body.push(Buffer.from(String(seen.length)));
      return true;
    },
    end: () => seen.push("end"),
    abort: () => {},
  });
  body.finish();
  assert.deepEqual(seen, ["ab", "1", "2", "3", "end"]);
});
