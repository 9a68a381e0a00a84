// Input for fuzzing: good conversations of HTTP/2, and ways to spoil any bytes.

import type { Random } from "../../src/base/random.ts";
import { PREFACE } from "../../src/wire/frames.ts";
import { frame } from "./h2raw.ts";

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
export function conversations(): Buffer[] {
  const of = (type: number, flags: number, id: number, payload: string): Buffer =>
    frame(type, flags, id, Buffer.from(payload, "hex"));
  const settings = of(4, 0, 0, "000300000064000400ffffff");
  const head = "828684410f7777772e6578616d706c652e636f6d";
  const all = [
    [of(1, 5, 1, head), of(8, 0, 0, "00000fff"), of(6, 0, 0, "0102030405060708")],
    [of(1, 1, 1, head.slice(0, 10)), of(9, 0, 1, head.slice(10, 20)), of(9, 4, 1, head.slice(20))],
    [of(1, 4, 1, head), of(0, 8, 1, "0361626364000000"), of(0, 1, 1, "616263")],
    [
      of(1, 0x2c, 1, `020000000a0f${head}0000`),
      of(3, 0, 1, "00000008"),
      of(7, 0, 0, "0000000000000000626964"),
    ],
    [of(2, 0, 3, "000000000f"), of(4, 1, 0, ""), of(5, 4, 1, "00000002"), of(0x42, 0, 0, "00")],
    [
      of(1, 5, 1, "3fe11f886196dc34fd280654d27eea0801128115c6dc0bb8d34fc0"),
      of(1, 5, 3, "bebe2030313233"),
    ],
  ];
  return all.map((frames) => Buffer.concat([PREFACE, settings, ...frames]));
}
