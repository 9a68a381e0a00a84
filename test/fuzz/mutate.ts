// Input for fuzzing: conversations of HTTP/1 and HTTP/2, and ways to spoil any bytes.

import type { Random } from "../../src/base/random.ts";
import { PREFACE } from "../../src/wire/frames.ts";
import { frame } from "../conformance/h2raw.ts";
import { REQUESTS } from "../conformance/requests.ts";
import { RESPONSES } from "../conformance/responses.ts";

const small = <T extends { bytes: string }>(all: readonly T[]): Buffer[] =>
  all.filter(({ bytes }) => bytes.length < 4_096).map(({ bytes }) => Buffer.from(bytes, "latin1"));

/** What clients and servers of HTTP/1 send, good and bad. */
export const requests: readonly Buffer[] = small(REQUESTS);
export const responses: readonly Buffer[] = small(RESPONSES);

const TASTY = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";",
  "0",
  "3",
  "-",
  "+",
  "\x7F",
  "\x80",
  "\xFF",
  "Content-Length: 3\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Host: h\r\n",
  "\r\n\r\n",
  "HTTP/1.1",
  "ffffffffffffffff",
];

/** Values where others are expected. */
// oxfmt-ignore
const ODD: readonly unknown[] = [
  null, true, 0, -1, 0.5, 65_536, 1e300, [], [null], {}, { a: null }, [[]], { kind: "x" },
  "", "x", "0", "-1", "1.5s", "a/b", "é\0", "__proto__", "10.0.0.0/99", "x".repeat(300),
];

/** One of `seeds` with a few bytes changed, added or taken away. */
export function mutated(seeds: readonly Buffer[], random: Random): Buffer {
  let bytes = seeds[random.below(seeds.length)]!;
  for (let n = 1 + random.below(4); n > 0; n--) {
    const at = random.below(bytes.length + 1);
    const rest = at + random.below(Math.min(16, bytes.length - at + 1));
    const other = seeds[random.below(seeds.length)]!;
    const from = random.below(other.length + 1);
    const middle = [
      () => Buffer.from(TASTY[random.below(TASTY.length)]!, "latin1"),
      () => Buffer.from([random.below(256)]),
      () => other.subarray(from, from + random.below(64)),
      () => Buffer.alloc(0),
    ][random.below(4)]!();
    bytes = Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(rest)]);
  }
  return bytes;
}

/** One of `seeds` with a few lines changed, moved, indented otherwise or left out, or with a few bytes spoilt. */
export function spoiltLines(seeds: readonly Buffer[], random: Random): Buffer {
  if (random.below(4) === 0) return mutated(seeds, random);
  const lines = seeds[random.below(seeds.length)]!.toString().split("\n");
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(lines.length);
    const line = lines[at] ?? "";
    const odd = ODD[random.below(ODD.length)]!;
    const edits = [
      () => lines.splice(at, 1),
      () => lines.splice(at, 0, line),
      () => lines.splice(at, 1, `  ${line}`),
      () => lines.splice(at, 1, line.replace(/^ {2}/, "")),
      () => lines.splice(at, 1, line.replace(/: .*$/, `: ${JSON.stringify(odd)}`)),
      () => lines.splice(random.below(lines.length), 0, ...lines.splice(at, 1 + random.below(3))),
    ];
    edits[random.below(edits.length)]!();
  }
  return Buffer.from(lines.join("\n"));
}

/** One of `seeds`, which are JSON, with a value in it replaced or left out, or with a few bytes spoilt. */
export function spoiltJson(seeds: readonly Buffer[], random: Random): Buffer {
  if (random.below(4) === 0) return mutated(seeds, random);
  const root = { value: JSON.parse(seeds[random.below(seeds.length)]!.toString()) as unknown };
  let holder: Record<string, unknown> = root;
  let key = "value";
  for (;;) {
    const value = holder[key];
    const keys = typeof value === "object" && value !== null ? Object.keys(value) : [];
    if (keys.length === 0 || random.below(4) === 0) break;
    holder = value as Record<string, unknown>;
    key = keys[random.below(keys.length)]!;
  }
  if (random.below(4) === 0 && holder !== root) delete holder[key];
  else holder[key] = ODD[random.below(ODD.length)];
  return Buffer.from(JSON.stringify(root.value));
}

/** `bytes` cut at places of chance. */
export function pieces(bytes: Buffer, random: Random): Buffer[] {
  const all: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + random.below(random.below(2) === 0 ? 3 : 40);
    all.push(Buffer.from(bytes.subarray(at, end)));
    at = end;
  }
  return all;
}

/** What clients of HTTP/2 send, each conversation with every kind of frame that it needs. */
export function clientConversations(): Buffer[] {
  const settings = hex(4, 0, 0, "000300000064000400ffffff");
  const head = "828684410f7777772e6578616d706c652e636f6d";
  const all = [
    [hex(1, 5, 1, head), hex(8, 0, 0, "00000fff"), hex(6, 0, 0, "0102030405060708")],
    [
      hex(1, 1, 1, head.slice(0, 10)),
      hex(9, 0, 1, head.slice(10, 20)),
      hex(9, 4, 1, head.slice(20)),
    ],
    [hex(1, 4, 1, head), hex(0, 8, 1, "0361626364000000"), hex(0, 1, 1, "616263")],
    [
      hex(1, 0x2c, 1, `020000000a0f${head}0000`),
      hex(3, 0, 1, "00000008"),
      hex(7, 0, 0, "0000000000000000626964"),
    ],
    [hex(2, 0, 3, "000000000f"), hex(4, 1, 0, ""), hex(5, 4, 1, "00000002"), hex(0x42, 0, 0, "00")],
    [
      hex(1, 5, 1, "3fe11f886196dc34fd280654d27eea0801128115c6dc0bb8d34fc0"),
      hex(1, 5, 3, "bebe2030313233"),
    ],
  ];
  return all.map((frames) => Buffer.concat([PREFACE, settings, ...frames]));
}

/** What servers of HTTP/2 send to who asks on the streams 1 and 3. */
export function serverConversations(): Buffer[] {
  const settings = hex(4, 0, 0, "000300000064000400ffffff");
  const status = (code: string): string => `0803${Buffer.from(code).toString("hex")}`;
  const trailers = "00056772706330013030".slice(0, -2);
  const all = [
    [hex(4, 1, 0, ""), hex(1, 5, 1, "88"), hex(1, 4, 3, "88"), hex(0, 1, 3, "616263")],
    [hex(1, 4, 1, status("103")), hex(1, 4, 1, "88"), hex(0, 0, 1, "6162"), hex(1, 5, 1, trailers)],
    [hex(1, 4, 1, "885c0133"), hex(0, 9, 1, "03616263000000"), hex(3, 0, 3, "00000007")],
    [
      hex(1, 0, 1, "88"),
      hex(9, 4, 1, "5c0130"),
      hex(8, 0, 1, "00000fff"),
      hex(8, 0, 0, "00000001"),
    ],
    [hex(6, 0, 0, "0102030405060708"), hex(7, 0, 0, "0000000100000000"), hex(1, 5, 1, "88")],
    [
      hex(7, 0, 0, "0000000100000000626964"),
      hex(4, 0, 0, "00040000000000050000ffff"),
      hex(1, 5, 1, "8d"),
    ],
    [hex(5, 4, 1, "0000000282868441016162"), hex(0x42, 0, 0, "00"), hex(2, 0, 1, "000000000f")],
  ];
  return all.map((frames) => Buffer.concat([settings, ...frames]));
}

function hex(type: number, flags: number, id: number, payload: string): Buffer {
  return frame(type, flags, id, Buffer.from(payload, "hex"));
}
