// gRPC's own wire format: messages survive any cut, texts and timeouts any value.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  envelope,
  EnvelopeReader,
  parseGrpcMessage,
  parseGrpcTimeout,
  printGrpcMessage,
  printGrpcTimeout,
} from "./grpc.ts";

test("messages come out as they went in, wherever the bytes are cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(400), { maxLength: 12 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map((message) => envelope(message)));
      const reader = new EnvelopeReader(40);
      const got: string[] = [];
      let from = 0;
      for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
        const chunk = bytes.subarray(from, Math.max(from, cut));
        assert.equal(
          reader.push(chunk, (message, compressed) => {
            assert.equal(compressed, false);
            got.push(message.toString("hex"));
          }),
          undefined,
        );
        from = Math.max(from, Math.min(cut, bytes.length));
      }
      assert.deepEqual(
        got,
        sent.map((message) => Buffer.from(message).toString("hex")),
      );
      assert.ok(reader.complete);
    }),
  );
});

test("a message beyond the limit is known by its prefix alone", () => {
  const reader = new EnvelopeReader(10);
  const each = (): void => assert.fail("no message");
  assert.equal(reader.push(Buffer.from("000000000b", "hex"), each), 11);
});

test("half a message is no end", () => {
  const reader = new EnvelopeReader(10);
  reader.push(envelope(Buffer.from("abc")).subarray(0, 6), () => assert.fail("no message"));
  assert.ok(!reader.complete);
});

test("grpc-message carries any text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const printed = printGrpcMessage(text);
      assert.match(printed, /^(?! )[\x20-\x7e]*(?<! )$/);
      assert.equal(parseGrpcMessage(printed), text);
    }),
  );
  assert.equal(printGrpcMessage(" a b "), "%20a b%20");
  assert.equal(parseGrpcMessage("100% sure"), "100% sure");
});

test("grpc-timeout is at least what was asked for, in eight digits", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e14, noNaN: true }), (ms) => {
      const printed = printGrpcTimeout(ms);
      assert.match(printed, /^[0-9]{1,8}[mSMH]$/);
      assert.ok(parseGrpcTimeout(printed)! >= ms);
    }),
  );
  assert.equal(parseGrpcTimeout("100u"), 0.1);
  for (const wrong of ["", "1", "m", "123456789m", "1x", "-1m"]) {
    assert.equal(parseGrpcTimeout(wrong), undefined);
  }
});
