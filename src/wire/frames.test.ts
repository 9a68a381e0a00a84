// Frames: what is written is read back however the bytes are cut, and what breaks RFC 9113 §4 to §6 is refused
// with the code that it names.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FrameSink } from "./frameparser.ts";
import { FrameReader } from "./framereader.ts";
import * as frames from "./frames.ts";
import { H2, type H2Error } from "./h2error.ts";
import { Settings } from "./settings.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const SETTINGS = hex("000000 04 00 00000000");

// Writes down what it is told; pieces of a DATA frame are joined, so that cuts do not show.
class Recorder implements FrameSink {
  readonly events: unknown[] = [];
  readonly errors: H2Error[] = [];
  private data = Buffer.alloc(0);
  private flow = 0;

  onData(
    id: number,
    chunk: Buffer,
    start: number,
    end: number,
    flow: number,
    first: boolean,
    fin: boolean,
  ): void {
    if (first) this.endData();
    this.data = Buffer.concat([this.data, chunk.subarray(start, end)]);
    this.flow += flow;
    this.events.push(["data", id, first ? "first" : "more", fin]);
  }
  endData(): void {
    this.events.push(["payload", this.data.toString("hex"), this.flow]);
    this.data = Buffer.alloc(0);
    this.flow = 0;
  }
  onHeaders(id: number, block: Buffer, start: number, end: number, fin: boolean): void {
    this.events.push(["headers", id, block.toString("hex", start, end), fin]);
  }
  onReset(...args: unknown[]): void {
    this.events.push(["reset", ...args]);
  }
  onSettings(chunk: Buffer, start: number, end: number): void {
    this.events.push(["settings", chunk.toString("hex", start, end)]);
  }
  onSettingsAck(): void {
    this.events.push(["settings ack"]);
  }
  onPing(...args: unknown[]): void {
    this.events.push(["ping", ...args]);
  }
  onGoAway(...args: unknown[]): void {
    this.events.push(["goaway", ...args]);
  }
  onWindowUpdate(...args: unknown[]): void {
    this.events.push(["window", ...args]);
  }
  onError(error: H2Error): void {
    this.errors.push(error);
  }
  // The events without where DATA was cut.
  uncut(): unknown[] {
    this.endData();
    return this.events.filter((event) => (event as unknown[])[0] !== "data");
  }
}

function read(bytes: Buffer, cuts: number[] = [], preface = false): Recorder {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, preface, 65_536);
  let from = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    reader.read(bytes.subarray(from, cut));
    from = cut;
  }
  return recorder;
}

// A conversation with every frame that we write.
function conversation(): Buffer {
  const out = Buffer.alloc(100_000);
  let at = frames.writeSettings(out, 0, [1, 4096, 4, 1_048_576, 8, 1]);
  at = frames.writeSettingsAck(out, at);
  at = frames.writeHeaderFrames(out, at, 1, Buffer.alloc(40_000, 7), false, 16_384);
  at = frames.writeHeaderFrames(out, at, 3, hex("828684"), true, 16_384);
  at = frames.writeDataHeader(out, at, 1, 16_384, false);
  at += 16_384;
  at = frames.writeDataHeader(out, at, 1, 0, true);
  at = frames.writeReset(out, at, 3, H2.CANCEL);
  at = frames.writePing(out, at, true, 0xffff_ffff, 7);
  at = frames.writeWindowUpdate(out, at, 0, frames.MAX_WINDOW_BYTES);
  at = frames.writeGoAway(out, at, frames.MAX_STREAM_ID, H2.NO_ERROR, "bye");
  return out.subarray(0, at);
}

test("every frame that is written is read back, however the bytes are cut", () => {
  const bytes = Buffer.concat([
    frames.PREFACE,
    conversation(),
    hex("00000a 00 09 00000005 03 616263646566 000000"),
    hex("00000b 01 2d 00000007 02 80000001 10 828684 0000"),
    hex("000003 bb ff 00000009 010203"),
  ]);
  const whole = read(bytes, [], true);
  assert.deepEqual(whole.errors, []);
  const events = whole.uncut() as unknown[][];
  assert.deepEqual(
    events.map((event) => event[0]).filter((name) => name !== "payload"),
    [
      "settings",
      "settings ack",
      "headers",
      "headers",
      "reset",
      "ping",
      "window",
      "goaway",
      "headers",
    ],
  );
  assert.deepEqual(events.at(-2), ["headers", 7, "828684", true]);
  assert.deepEqual(events.at(-1), ["payload", "616263646566", 10]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
      const parts = read(bytes, cuts, true);
      assert.deepEqual(parts.errors, []);
      assert.deepEqual(parts.uncut(), events);
    }),
  );
});

test("DATA is passed on before its frame is complete", () => {
  const recorder = new Recorder();
  const reader = new FrameReader(recorder, false, 65_536);
  reader.read(Buffer.concat([SETTINGS, hex("000004 00 01 00000001 6162")]));
  assert.deepEqual(recorder.events.at(-1), ["data", 1, "first", false]);
  reader.read(hex("63"));
  assert.deepEqual(recorder.events.at(-1), ["data", 1, "more", false]);
  reader.read(hex("64"));
  assert.deepEqual(recorder.events.at(-1), ["data", 1, "more", true]);
  assert.deepEqual(recorder.uncut().at(-1), ["payload", "61626364", 4]);
});

const CONNECTION_ERRORS: [section: string, code: number, bytes: string][] = [
  ["3.4 the first frame is not SETTINGS", H2.PROTOCOL_ERROR, "!000000 04 01 00000000"],
  ["4.2 a frame above the limit", H2.FRAME_SIZE_ERROR, "004001 00 00 00000001"],
  ["4.2 an unknown frame above the limit", H2.FRAME_SIZE_ERROR, "004001 cc 00 00000001"],
  ["6.1 DATA on stream 0", H2.PROTOCOL_ERROR, "000001 00 00 00000000 61"],
  ["6.1 DATA on stream 0, in pieces", H2.PROTOCOL_ERROR, "000009 00 00 00000000 61"],
  ["6.1 padding as long as the frame", H2.PROTOCOL_ERROR, "000003 00 08 00000001 030000"],
  ["6.1 padded and empty", H2.PROTOCOL_ERROR, "000000 00 08 00000001"],
  ["6.2 HEADERS on stream 0", H2.PROTOCOL_ERROR, "000001 01 04 00000000 82"],
  ["6.2 padding beyond the frame", H2.PROTOCOL_ERROR, "000002 01 0c 00000001 0282"],
  ["6.2 priority cut off", H2.FRAME_SIZE_ERROR, "000002 01 24 00000001 0000"],
  ["6.2 depends on itself", H2.PROTOCOL_ERROR, "000006 01 24 00000003 80000003 00 82"],
  [
    "6.2 another frame inside a block",
    H2.PROTOCOL_ERROR,
    "000001 01 00 00000001 82 000001 00 00 00000001 61",
  ],
  [
    "6.10 CONTINUATION of another stream",
    H2.PROTOCOL_ERROR,
    "000001 01 00 00000001 82 000001 09 04 00000003 86",
  ],
  [
    "6.10 CONTINUATION after the block",
    H2.PROTOCOL_ERROR,
    "000001 01 04 00000001 82 000001 09 04 00000001 86",
  ],
  [
    "6.10 an unknown frame inside a block",
    H2.PROTOCOL_ERROR,
    "000001 01 00 00000001 82 000000 bb 00 00000001",
  ],
  ["6.3 PRIORITY on stream 0", H2.PROTOCOL_ERROR, "000005 02 00 00000000 0000000100"],
  ["6.4 RST_STREAM on stream 0", H2.PROTOCOL_ERROR, "000004 03 00 00000000 00000008"],
  ["6.4 RST_STREAM of 3 bytes", H2.FRAME_SIZE_ERROR, "000003 03 00 00000001 000008"],
  ["6.5 SETTINGS on a stream", H2.PROTOCOL_ERROR, "000000 04 00 00000001"],
  ["6.5 SETTINGS ack with content", H2.FRAME_SIZE_ERROR, "000006 04 01 00000000 000300000001"],
  ["6.5 SETTINGS of 5 bytes", H2.FRAME_SIZE_ERROR, "000005 04 00 00000000 0003000000"],
  ["6.6 PUSH_PROMISE", H2.PROTOCOL_ERROR, "000005 05 04 00000001 00000002 82"],
  ["6.7 PING on a stream", H2.PROTOCOL_ERROR, "000008 06 00 00000001 0000000000000000"],
  ["6.7 PING of 7 bytes", H2.FRAME_SIZE_ERROR, "000007 06 00 00000000 00000000000000"],
  ["6.8 GOAWAY on a stream", H2.PROTOCOL_ERROR, "000008 07 00 00000001 0000000000000000"],
  ["6.8 GOAWAY of 7 bytes", H2.FRAME_SIZE_ERROR, "000007 07 00 00000000 00000000000000"],
  ["6.9 WINDOW_UPDATE of 5 bytes", H2.FRAME_SIZE_ERROR, "000005 08 00 00000000 0000000100"],
  [
    "6.9 WINDOW_UPDATE of 0 for the connection",
    H2.PROTOCOL_ERROR,
    "000004 08 00 00000000 80000000",
  ],
];

for (const [what, code, bytes] of CONNECTION_ERRORS) {
  test(`connection error: ${what}`, () => {
    const first = bytes.startsWith("!") ? hex("") : SETTINGS;
    const all = Buffer.concat([first, hex(bytes.replace("!", "")), conversation()]);
    for (const cuts of [[], Array.from(all, (_, i) => i)]) {
      const { errors } = read(all, cuts);
      assert.deepEqual(
        errors.map((error) => [error.streamId, error.code]),
        [[0, code]],
      );
    }
  });
}

test("connection error: 3.4 a wrong preface", () => {
  const bytes = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\rX");
  assert.deepEqual(
    read(bytes, [3], true).errors.map((error) => error.code),
    [H2.PROTOCOL_ERROR],
  );
});

test("stream errors leave the connection readable", () => {
  const bytes = hex(
    "000004 02 00 00000003 00000001 000005 02 00 00000005 0000000500 000004 08 00 00000007 00000000",
  );
  const recorder = read(Buffer.concat([SETTINGS, bytes, hex("000004 03 00 00000009 00000008")]));
  assert.deepEqual(
    recorder.errors.map((error) => [error.streamId, error.code]),
    [
      [3, H2.FRAME_SIZE_ERROR],
      [5, H2.PROTOCOL_ERROR],
      [7, H2.PROTOCOL_ERROR],
    ],
  );
  assert.deepEqual(recorder.events.at(-1), ["reset", 9, H2.CANCEL]);
});

test("a field block may neither grow without end nor come in endless pieces", () => {
  const start = Buffer.concat([SETTINGS, hex("000001 01 00 00000001 82")]);
  const empty = Buffer.concat(Array.from({ length: 200 }, () => hex("000000 09 00 00000001")));
  const large = Buffer.concat([hex("004000 09 00 00000001"), Buffer.alloc(16_384)]);
  for (const flood of [empty, Buffer.concat([large, large, large, large])]) {
    assert.deepEqual(
      read(Buffer.concat([start, flood])).errors.map((error) => error.code),
      [H2.ENHANCE_YOUR_CALM],
    );
  }
});

test("arbitrary bytes never throw, and nothing is read after a connection error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const recorder = read(Buffer.concat([SETTINGS, Buffer.from(bytes)]), [cut]);
      assert.ok(recorder.errors.filter((error) => error.streamId === 0).length <= 1);
    }),
    { numRuns: 2000 },
  );
});

test("settings are taken over, and refused when they make no sense (RFC 9113 §6.5.2)", () => {
  const settings = new Settings();
  const apply = (text: string): number | undefined => {
    const bytes = hex(text);
    return settings.apply(bytes, 0, bytes.length)?.code;
  };
  assert.equal(
    apply(
      "000100000064 000200000001 000300000007 000400010000 000500ffffff 000600001000 000800000001 0abc00000001",
    ),
    undefined,
  );
  assert.deepEqual(Object.values(settings), [100, 7, 65_536, 0xff_ffff, 4096, true]);
  assert.equal(apply("000200000002"), H2.PROTOCOL_ERROR);
  assert.equal(apply("000480000000"), H2.FLOW_CONTROL_ERROR);
  assert.equal(apply("000500003fff"), H2.PROTOCOL_ERROR);
  assert.equal(apply("000501000000"), H2.PROTOCOL_ERROR);
  assert.equal(apply("000800000000"), H2.PROTOCOL_ERROR);
});
