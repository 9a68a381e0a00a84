// What the first bytes say, however they are cut: prefaces, request lines, ClientHellos, transport headers.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseClientHello } from "./clienthello.ts";
import { judge } from "./preface.ts";
import { decodeTransportHeader, encodeTransportHeader } from "./transportheader.ts";

const verdicts: [string, string][] = [
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http/2"],
  ["GET / HTTP/1.1\r\n", "http/1"],
  ["VERSION-CONTROL /a?b=%20 HTTP/1.0", "http/1"],
  ["PRI * HTTP/1.1\r\n", "http/1"],
  ["OPTIONS * HTTP/1.1", "http/1"],
  ["\x16\x03\x01\x02\x00\x01", "tls"],
  ["\x16\x03\x01\x02\x00\x02", "opaque"],
  ["\x16\x02", "opaque"],
  ["\0\0\0\x2a", "opaque"],
  ["SELECT 1\r\n", "opaque"],
  ["*1\r\n$4\r\nPING\r\n", "opaque"],
  ["GET\t/ HTTP/1.1", "opaque"],
  ["GET / HTTP/2.0\r\n", "opaque"],
  ["GET / SPDY/1", "opaque"],
  ["A".repeat(40), "opaque"],
  [`GET /${"a".repeat(9000)}`, "opaque"],
];

for (const [text, verdict] of verdicts) {
  test(`${JSON.stringify(text.slice(0, 40))} is ${verdict}`, () => {
    assert.equal(judge(Buffer.from(text, "latin1")), verdict);
  });
}

test("what a whole message is, every beginning of it is too or leaves open", () => {
  for (const [text, verdict] of verdicts) {
    const bytes = Buffer.from(text, "latin1");
    for (let size = 0; size < bytes.length; size++) {
      const early = judge(bytes.subarray(0, size));
      assert.ok(early === "undecided" || early === verdict, `${text.slice(0, size)}: ${early}`);
    }
  }
});

/** A ClientHello with a server name and protocols, in records of at most `cut` bytes. */
function clientHello(sni: string, alpn: string[], cut: number): Buffer {
  const u16 = (n: number): Buffer => Buffer.from([n >> 8, n & 255]);
  const sized = (b: Buffer): Buffer => Buffer.concat([u16(b.length), b]);
  const extension = (type: number, body: Buffer): Buffer => Buffer.concat([u16(type), sized(body)]);
  const name = extension(0, sized(Buffer.concat([Buffer.from([0]), sized(Buffer.from(sni))])));
  const list = Buffer.concat(
    alpn.map((p) => Buffer.concat([Buffer.from([p.length]), Buffer.from(p)])),
  );
  const extensions = Buffer.concat([
    extension(43, Buffer.from([2, 3, 4])),
    name,
    extension(16, sized(list)),
  ]);
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    sized(Buffer.from([0x13, 1])),
    Buffer.from([1, 0]),
    sized(extensions),
  ]);
  const message = Buffer.concat([Buffer.from([1, 0]), u16(body.length), body]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += cut) {
    records.push(Buffer.from([0x16, 3, 1]), sized(message.subarray(at, at + cut)));
  }
  return Buffer.concat(records);
}

test("a ClientHello is read from any number of records, and only when it is whole", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (cut) => {
      const bytes = clientHello("Emoji.Example", ["h2", "transport.l5d.io/v1"], cut);
      assert.deepEqual(parseClientHello(Buffer.concat([bytes, Buffer.from("more")])), {
        kind: "hello",
        sni: "emoji.example",
        alpn: ["h2", "transport.l5d.io/v1"],
      });
      for (let size = 0; size < bytes.length; size++) {
        assert.equal(parseClientHello(bytes.subarray(0, size)).kind, "incomplete");
      }
    }),
    { numRuns: 40 },
  );
});

test("no bytes make the ClientHello parser throw", () => {
  const good = clientHello("a.example", ["h2"], 1000);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), fc.nat(good.length), (at, byte, size) => {
      const bad = Buffer.from(good);
      bad[at] = byte;
      parseClientHello(bad.subarray(0, size));
    }),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      (bytes) => void parseClientHello(Buffer.from(bytes)),
    ),
  );
});

const anyHeader = fc.record(
  {
    port: fc.integer({ min: 1, max: 65535 }),
    name: fc.string({ maxLength: 60 }),
    protocol: fc.constantFrom("http/1" as const, "http/2" as const, undefined),
  },
  { noNullPrototype: true },
);

test("a transport header survives the wire, and waits until it is whole", () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const bytes = encodeTransportHeader(header);
      const read = decodeTransportHeader(Buffer.concat([bytes, Buffer.from("rest")]));
      assert.deepEqual(read, { header, size: bytes.length });
      for (let size = 0; size < bytes.length; size++) {
        assert.equal(decodeTransportHeader(bytes.subarray(0, size)), undefined);
      }
    }),
  );
});

test("what is no transport header is refused with a fault", () => {
  const bad = [
    Buffer.from("GET / HTTP/1.1\r\n"),
    Buffer.concat([Buffer.from("transport.l5d.io/v1\r\n\r\n"), Buffer.from([0xff, 0, 0, 0])]),
    Buffer.concat([
      Buffer.from("transport.l5d.io/v1\r\n\r\n"),
      Buffer.from([0, 0, 0, 2, 0x12, 0x7f]),
    ]),
    Buffer.concat([Buffer.from("transport.l5d.io/v1\r\n\r\n"), Buffer.from([0, 0, 0, 0])]),
  ];
  for (const bytes of bad) assert.throws(() => decodeTransportHeader(bytes), { code: "protocol" });
});
