// Pieces of a head: nothing is lost, and what drips in is neither copied nor read again for each byte.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../base/fault.ts";
import { ChunkedDecoder } from "./chunked.ts";
import { Pieces } from "./pieces.ts";

test("all pieces are there, and it is time to read at each line's end", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "\n", "bc\r\n", "x".repeat(3_000))), (all) => {
      const pieces = new Pieces();
      let unread = 0;
      for (const piece of all) {
        unread += piece.length;
        const isTime = pieces.add(Buffer.from(piece));
        assert.equal(isTime, piece.includes("\n") || unread >= 4_096);
        if (isTime) unread = 0;
      }
      assert.equal(pieces.take().toString(), all.join(""));
      assert.equal(pieces.size, 0);
      assert.equal(pieces.add(Buffer.from("a")), false);
    }),
  );
});

test("what is given away stays as it is", () => {
  const pieces = new Pieces();
  pieces.add(Buffer.from("one"));
  const one = pieces.take();
  pieces.add(Buffer.from("two"));
  assert.equal(one.toString(), "one");
});

test("trailers that drip in are read as those that come at once, and refused when they do not end", () => {
  const drip = (text: string): ChunkedDecoder => {
    const decoder = new ChunkedDecoder("request");
    const bytes = Buffer.from(text);
    for (let i = 0; i < bytes.length; i++)
      decoder.decode(bytes.subarray(i, i + 1), 0, { push() {} });
    return decoder;
  };
  const decoder = drip(`0\r\nA: b\r\nC: ${"d".repeat(9_000)}\r\n\r\n`);
  assert.ok(decoder.done);
  assert.deepEqual(decoder.trailers, ["A", "b", "C", "d".repeat(9_000)]);
  assert.throws(() => drip(`0\r\nA: ${"b".repeat(70_000)}`), Fault);
});
