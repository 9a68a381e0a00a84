// HPACK: the vectors of RFC 7541 appendix C, laws (what is encoded decodes to itself), limits and attacks.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "./hpackdecoder.ts";
import { encodedBound, HpackEncoder } from "./hpackencoder.ts";
import { huffmanLength, readHuffman, writeHuffman } from "./huffman.ts";
import type { Headers } from "./headers.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

function decoded(decoder: HpackDecoder, block: Buffer): Headers {
  assert.equal(decoder.decode(block, 0, block.length), null);
  return decoder.fields.slice(0, decoder.length);
}

function encoded(encoder: HpackEncoder, fields: Headers, never: string[] | null = null): Buffer {
  const out = Buffer.alloc(encodedBound(fields));
  return out.subarray(0, encoder.encode(fields, out, encoder.begin(out, 0), never));
}

const FIRST = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const THIRD = [
  ":method",
  "GET",
  ":scheme",
  "https",
  ":path",
  "/index.html",
  ":authority",
  "www.example.com",
  "custom-key",
  "custom-value",
];
const DATE = "Mon, 21 Oct 2013 20:13:21 GMT";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const found = (status: string): Headers => [
  ":status",
  status,
  "cache-control",
  "private",
  "date",
  DATE,
  "location",
  "https://www.example.com",
];
const RESPONSES = [
  found("302"),
  found("307"),
  [
    ":status",
    "200",
    "cache-control",
    "private",
    "date",
    "Mon, 21 Oct 2013 20:13:22 GMT",
    "location",
    "https://www.example.com",
    "content-encoding",
    "gzip",
    "set-cookie",
    COOKIE,
  ],
];

test("RFC 7541 C.2: the four kinds of fields", () => {
  const literal = new HpackDecoder(65536);
  assert.deepEqual(
    decoded(literal, hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")),
    ["custom-key", "custom-header"],
  );
  assert.deepEqual(decoded(literal, hex("be")), ["custom-key", "custom-header"]);
  assert.deepEqual(decoded(literal, hex("040c 2f73 616d 706c 652f 7061 7468")), [
    ":path",
    "/sample/path",
  ]);
  assert.equal(literal.neverIndexed, null);
  assert.deepEqual(decoded(literal, hex("1008 7061 7373 776f 7264 0673 6563 7265 74")), [
    "password",
    "secret",
  ]);
  assert.deepEqual(literal.neverIndexed, ["password"]);
  assert.deepEqual(decoded(literal, hex("82")), [":method", "GET"]);
});

for (const [name, blocks] of [
  [
    "C.3",
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
  ],
  [
    "C.4",
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ],
] as const) {
  test(`RFC 7541 ${name}: requests on one connection`, () => {
    const decoder = new HpackDecoder(65536);
    assert.deepEqual(decoded(decoder, hex(blocks[0])), FIRST);
    assert.deepEqual(decoded(decoder, hex(blocks[1])), [...FIRST, "cache-control", "no-cache"]);
    assert.deepEqual(decoded(decoder, hex(blocks[2])), THIRD);
  });
}

for (const [name, blocks] of [
  [
    "C.5",
    [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
       2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a
       6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d
       6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ],
  ],
  [
    "C.6",
    [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d
       29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d
       d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106
       3d50 07`,
    ],
  ],
] as const) {
  test(`RFC 7541 ${name}: responses with evictions from a table of 256 bytes`, () => {
    const decoder = new HpackDecoder(65536, 256);
    blocks.forEach((block, i) => assert.deepEqual(decoded(decoder, hex(block)), RESPONSES[i]));
  });
}

const octets = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)),
});

test("Huffman: what is written reads back, in the length announced", () => {
  fc.assert(
    fc.property(octets, (text) => {
      const out = Buffer.alloc(text.length * 4);
      const end = writeHuffman(text, out, 0);
      assert.equal(end, huffmanLength(text));
      const back = Buffer.alloc(end * 2);
      assert.equal(back.toString("latin1", 0, readHuffman(out, 0, end, back)), text);
    }),
  );
});

test("Huffman: an end-of-string symbol and wrong or long padding are errors (RFC 7541 §5.2)", () => {
  const out = Buffer.alloc(16);
  for (const bytes of ["ffffffff", "1fff", "ff", "18", "fffffffc"]) {
    assert.equal(readHuffman(hex(bytes), 0, bytes.length / 2, out), -1, bytes);
  }
  assert.equal(readHuffman(hex("1f"), 0, 1, out), 1);
});

const name = fc.oneof(
  fc.constantFrom(
    ":path",
    ":status",
    "date",
    "x-request-id",
    "cookie",
    "set-cookie",
    "authorization",
  ),
  fc.stringMatching(/^[a-z-]{1,12}$/),
);
const value = fc.oneof(fc.constantFrom("/", "200", "", "gzip, deflate", "a".repeat(200)), octets);
const block = fc.array(fc.tuple(name, value), { maxLength: 30 }).map((pairs) => pairs.flat());
const step = fc.oneof(
  { weight: 5, arbitrary: block },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 5000 }) },
);

test("any sequence of blocks and table sizes decodes to what was encoded", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const encoder = new HpackEncoder();
      const decoder = new HpackDecoder(1 << 20);
      for (const next of steps) {
        if (typeof next === "number") encoder.resize(next);
        // Twice, because only the second sight of a value puts it into the table.
        else
          for (let i = 0; i < 2; i++)
            assert.deepEqual(decoded(decoder, encoded(encoder, next)), next);
      }
    }),
  );
});

test("arbitrary bytes never throw, and decode to no more than the limit", () => {
  const decoder = new HpackDecoder(2000);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      decoder.decode(Buffer.from(bytes), 0, bytes.length);
      const list = decoder.fields.slice(0, decoder.length);
      assert.ok(list.join("").length + list.length * 16 <= 2000);
    }),
    { numRuns: 2000 },
  );
});

test("repeated fields shrink to a byte each, changing ones stay out of the table", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(65536);
  const fields = (id: number): Headers => [...THIRD, "x-request-id", `id-${id}`];
  let size = 0;
  for (let id = 0; id < 100; id++) {
    const bytes = encoded(encoder, fields(id));
    assert.deepEqual(decoded(decoder, bytes), fields(id));
    size = bytes.length;
  }
  assert.ok(size < 5 + 1 + "x-request-id".length + 1 + "id-99".length + 2, `${size} bytes`);
});

test("secrets and marked fields are never indexed", () => {
  const encoder = new HpackEncoder();
  const decoder = new HpackDecoder(65536);
  const fields = ["authorization", "Basic eDp5", "cookie", "a=b", "token", "t", "accept", "*/*"];
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(decoded(decoder, encoded(encoder, fields, ["token"])), fields);
    assert.deepEqual(decoder.neverIndexed?.toSorted(), ["authorization", "cookie", "token"]);
  }
});

test("characters above U+00FF cannot smuggle a line break", () => {
  const [encoder, decoder] = [new HpackEncoder(), new HpackDecoder(65536)];
  const many = "a".repeat(40);
  // What comes again is put into the table, in another code.
  for (let i = 0; i < 3; i++) {
    const bytes = encoded(encoder, ["x", `${many}\u010ab`]);
    assert.deepEqual(decoded(decoder, bytes), ["x", `${many}?b`]);
  }
});

test("a list above the limit is reported, kept out, and the table stays in step", () => {
  const decoder = new HpackDecoder(100);
  const bomb = Buffer.concat([
    hex("400161 1e"),
    Buffer.alloc(30, "x"),
    Buffer.alloc(10000, 0xbe),
    hex("400162 0163"),
  ]);
  const fields = decoded(decoder, bomb);
  assert.ok(decoder.tooLarge);
  assert.equal(fields.length, 2);
  assert.deepEqual(decoded(decoder, hex("be")), ["b", "c"]);
  assert.ok(!decoder.tooLarge);
});

test("malformed names and values are reported, also when they come from the table (RFC 9113 §8.2.1)", () => {
  const bad: [string, string][] = [
    ["Upper", "v"],
    ["sp ace", "v"],
    ["", "v"],
    [":", "v"],
    ["a:b", "v"],
    ["é", "v"],
    ["n", "a\nb"],
    ["n", "a\rb"],
    ["n", "a\0b"],
    ["n", " v"],
    ["n", "v\t"],
  ];
  for (const [name, value] of bad) {
    const decoder = new HpackDecoder(65536);
    const literal = Buffer.concat([
      Buffer.from([0x40, name.length]),
      Buffer.from(name, "latin1"),
      Buffer.from([value.length]),
      Buffer.from(value, "latin1"),
    ]);
    decoded(decoder, literal);
    assert.ok(decoder.malformed, JSON.stringify([name, value]));
    decoded(decoder, hex("82"));
    assert.ok(!decoder.malformed);
    decoded(decoder, hex("be"));
    assert.ok(decoder.malformed);
    decoded(decoder, literal);
    assert.ok(decoder.malformed, "from the literal cache");
  }
  const good = new HpackDecoder(65536);
  decoded(good, encoded(new HpackEncoder(), [":path", "/", "x-!#$%&'*+.^_`|~0", "é \t:x"]));
  assert.ok(!good.malformed);
});

test("broken blocks are COMPRESSION_ERROR", () => {
  const broken: Record<string, string> = {
    "index zero": "80",
    "index beyond the tables": "be",
    "name index beyond the tables": "7f20 0161",
    "table size above the limit": "3fe2 1f",
    "table size update after a field": "8220",
    "integer without end": "ffff ffff ffff ffff",
    "integer truncated": "ff",
    "literal truncated": "4003 6162",
    "value missing": "4001 61",
    "string length beyond the block": "4001 617f ff00",
    "bad Huffman": "4001 6181 00",
  };
  for (const [why, bytes] of Object.entries(broken)) {
    const src = hex(bytes);
    const error = new HpackDecoder(65536).decode(src, 0, src.length);
    assert.equal(error?.code, 9, why);
    assert.equal(error?.streamId, 0, why);
  }
});
