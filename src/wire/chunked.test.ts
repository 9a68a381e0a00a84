// The chunked coding: whatever its pieces, and what must not pass.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../base/fault.ts";
import { ChunkedDecoder, printChunkSize } from "./chunked.ts";
import { printTrailers } from "./http1print.ts";

/** Decodes `text`, cut at `cuts`; gives the data, the trailers and what is left over. */
function decode(text: string, cuts: number[] = []) {
  const decoder = new ChunkedDecoder("request");
  let data = "";
  const sink = { push: (chunk: Buffer) => (data += chunk.toString("latin1")) };
  const bytes = Buffer.from(text, "latin1");
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)];
  let used = 0;
  for (const [i, from] of edges.entries()) {
    const piece = bytes.subarray(from, edges[i + 1] ?? bytes.length);
    if (!decoder.done) used += decoder.decode(piece, 0, sink);
  }
  return { data, trailers: decoder.trailers, done: decoder.done, rest: text.slice(used) };
}

test("chunks, extensions, trailers, and what follows", () => {
  const text = '3\r\nabc\r\n0A;x="y z"\r\n0123456789\r\n0\r\nX-Sum: 1\r\nX-T:2\r\n\r\nGET /';
  assert.deepEqual(decode(text), {
    data: "abc0123456789",
    trailers: ["X-Sum", "1", "X-T", "2"],
    done: true,
    rest: "GET /",
  });
  assert.deepEqual(decode("0\r\n\r\n"), { data: "", trailers: undefined, done: true, rest: "" });
});

test("bytes may come cut anywhere", () => {
  const chunks = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: "binary-ascii" }));
  const trailers = fc.array(fc.nat(99), { maxLength: 3 });
  fc.assert(
    fc.property(chunks, trailers, fc.array(fc.nat(500)), (all, values, cuts) => {
      const fields = values.flatMap((value, i) => [`x-${i}`, String(value)]);
      const coded = all.map((chunk) => `${printChunkSize(chunk.length)}${chunk}\r\n`).join("");
      const text = `${coded}0\r\n${printTrailers(fields.length > 0 ? fields : undefined)}rest`;
      const { data, trailers, done, rest } = decode(text, cuts);
      assert.equal(data, all.join(""));
      assert.deepEqual(trailers ?? [], fields);
      assert.ok(done);
      assert.equal(rest, "rest");
    }),
  );
});

test("what two decoders could read differently is refused", () => {
  for (const text of [
    "+3\r\nabc\r\n",
    "-3\r\nabc\r\n",
    "0x3\r\nabc\r\n",
    " 3\r\nabc\r\n",
    "3 \r\nabc\r\n",
    "3\nabc\n",
    "3\r\nabcd\r\n",
    "3\r\nabc\n",
    "3\r\nabc\rX",
    "\r\n",
    ";x\r\n",
    "g\r\n",
    "00000000000003\r\nabc\r\n",
    "fffffffffffffffff\r\n",
    "3;a\0b\r\nabc\r\n",
    "3;a\nb\r\nabc\r\n",
    `3;${"x".repeat(300)}\r\nabc\r\n`,
    "0\r\nContent-Length: 3\r\n\r\n",
    "0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "0\r\nHost: b\r\n\r\n",
    "0\r\nAuthorization: b\r\n\r\n",
    "0\r\nX : b\r\n\r\n",
    "0\r\nX: a\r\n b\r\n\r\n",
    "0\r\nX: a\n\n",
    "0\r\n\n",
    `0\r\nX: ${"x".repeat(70_000)}`,
    `0\r\n${Array.from({ length: 300 }, (_, i) => `X${i}: y\r\n`).join("")}\r\n`,
  ]) {
    assert.throws(() => decode(text), Fault, JSON.stringify(text.slice(0, 80)));
  }
});

test("a response's mistakes are the server's", () => {
  const decoder = new ChunkedDecoder("response");
  assert.throws(() => decoder.decode(Buffer.from("x"), 0, { push: () => {} }), {
    code: "bad-response",
    side: "upstream",
  });
});
