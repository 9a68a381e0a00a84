// HPACK against others: stories of header blocks from a folder that HPACK_VECTORS names (the layout is that of the
// public hpack-test-case collection), and, always, blocks to and from the HTTP/2 that Node brings.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import {
  type AddressInfo,
  connect as connectTcp,
  createServer as createTcpServer,
  type Socket,
} from "node:net";
import { test } from "node:test";
import fc from "fast-check";
import { FRAME, PREFACE } from "../../src/wire/frames.ts";
import { HpackDecoder } from "../../src/wire/hpackdecoder.ts";
import { encodedBound, HpackEncoder } from "../../src/wire/hpackencoder.ts";

type Story = {
  readonly cases: readonly {
    readonly wire?: string;
    readonly headers: readonly Readonly<Record<string, string>>[];
    readonly header_table_size?: number;
  }[];
};

const LIST_BYTES = 1 << 20;
const folder = process.env["HPACK_VECTORS"];

test(
  "vectors decode to their fields, and what we encode of them does",
  { skip: folder === undefined && "HPACK_VECTORS names no folder" },
  (t) => {
    const files = globSync(`${folder}/*/story_*.json`);
    assert.ok(files.length > 0, `no */story_*.json in ${folder}`);
    let blocks = 0;
    for (const file of files) {
      const { cases } = JSON.parse(readFileSync(file, "utf8")) as Story;
      const decoder = new HpackDecoder(
        LIST_BYTES,
        Math.max(4096, ...cases.map((it) => it.header_table_size ?? 0)),
      );
      const encoder = new HpackEncoder();
      const again = new HpackDecoder(LIST_BYTES);
      for (const { wire, headers } of cases) {
        const fields = headers.flatMap((field) => Object.entries(field)[0]!);
        if (wire !== undefined)
          assert.deepEqual(decode(decoder, Buffer.from(wire, "hex")), fields, file);
        assert.deepEqual(decode(again, encode(encoder, fields)), fields, file);
        blocks++;
      }
    }
    t.diagnostic(`${files.length} stories, ${blocks} blocks`);
  },
);

test("what Node's HTTP/2 encodes decodes to the same fields", async () => {
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      const decoder = new HpackDecoder(LIST_BYTES);
      const got = (await blocksOfNode(story)).map((block) => decode(decoder, block));
      assert.deepEqual(
        got.map(pairs),
        story.map((fields) => pairs(requestOf(fields))),
      );
    }),
    { numRuns: 20 },
  );
});

test("what we encode, Node's HTTP/2 decodes to the same fields", async () => {
  await fc.assert(
    fc.asyncProperty(stories, async (story) => {
      const got = await readByNode(story);
      assert.deepEqual(
        got.map(pairs),
        story.map((fields) => pairs(requestOf(fields))),
      );
    }),
    { numRuns: 20 },
  );
});

const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/).map((name) => `x-${name}`);
const value = fc.oneof(
  fc.constantFrom("gzip, deflate", "Mon, 21 Oct 2013 20:13:21 GMT", "a".repeat(300), "", "1"),
  fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/),
);
const stories = fc.array(
  fc
    .uniqueArray(fc.tuple(word, value), { selector: ([name]) => name, maxLength: 12 })
    .map((it) => it.flat()),
  { minLength: 1, maxLength: 20 },
);

const requestOf = (fields: readonly string[]): string[] => [
  ":method",
  "GET",
  ":scheme",
  "http",
  ":path",
  "/",
  ":authority",
  "h",
  ...fields,
];

/** Fields as a sorted list, since Node chooses an order of its own. */
function pairs(fields: readonly string[]): string[] {
  return fields.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${fields[i + 1]!}`] : [])).sort();
}

function decode(decoder: HpackDecoder, block: Buffer): string[] {
  assert.equal(decoder.decode(block, 0, block.length), null);
  return decoder.fields.slice(0, decoder.length);
}

function encode(encoder: HpackEncoder, fields: string[]): Buffer {
  const out = Buffer.alloc(encodedBound(fields));
  return out.subarray(0, encoder.encode(fields, out, encoder.begin(out, 0), null));
}

/** The header blocks that Node's client writes for a story. */
async function blocksOfNode(story: readonly (readonly string[])[]): Promise<Buffer[]> {
  let bytes = Buffer.alloc(0);
  let enough: () => void;
  const done = new Promise<void>((resolve) => (enough = resolve));
  const server = createTcpServer((socket: Socket) => {
    socket.write(frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0)));
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (headerBlocks(bytes).length >= story.length) enough();
    });
  });
  const port = await listen(server);
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  await new Promise((ready) => session.once("remoteSettings", ready));
  for (const fields of story) {
    const stream = session.request({ ":authority": "h", ...toObject(fields) }, { endStream: true });
    stream.on("error", () => {});
  }
  await done;
  session.destroy();
  server.close();
  return headerBlocks(bytes);
}

/** The fields that Node's server reads from what we write for a story. */
async function readByNode(story: readonly (readonly string[])[]): Promise<string[][]> {
  const got: string[][] = [];
  let enough: () => void;
  const done = new Promise<void>((resolve) => (enough = resolve));
  const server = createServer();
  server.on(
    "stream",
    (stream: ServerHttp2Stream, _headers: object, _flags: number, raw: string[]) => {
      stream.on("error", () => {});
      got.push(raw);
      if (got.length === story.length) enough();
    },
  );
  server.on("sessionError", (error) => assert.fail(error));
  const port = await listen(server);
  const socket = connectTcp(port, "127.0.0.1");
  const encoder = new HpackEncoder();
  socket.write(Buffer.concat([PREFACE, frame(FRAME.SETTINGS, 0, 0, Buffer.alloc(0))]));
  for (const [n, fields] of story.entries())
    socket.write(frame(FRAME.HEADERS, 5, 2 * n + 1, encode(encoder, requestOf(fields))));
  await done;
  socket.destroy();
  server.close();
  return got;
}

function headerBlocks(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = PREFACE.length; at + 9 <= bytes.length;) {
    const length = bytes.readUIntBE(at, 3);
    if (at + 9 + length > bytes.length) break;
    if (bytes[at + 3] === FRAME.HEADERS) {
      // Flag 0x20: five bytes of priority stand in front.
      const skip = bytes[at + 4]! & 0x20 ? 5 : 0;
      blocks.push(bytes.subarray(at + 9 + skip, at + 9 + length));
    }
    at += 9 + length;
  }
  return blocks;
}

function frame(type: number, flags: number, streamId: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

function toObject(fields: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]!]] : [])) as [
      string,
      string,
    ][],
  );
}

function listen(server: {
  listen(port: number, host: string, done: () => void): unknown;
  address(): unknown;
}): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
  );
}
