// Attacks that cost the attacker little: while each is under way, and after it, others are served, memory and CPU stay
// within bounds, and who only plays with the protocol is cut off. CPU is the kernel's account of the proxy, in units of
// what serving a good request of each version on new connections costs on the same machine at the same time.
// Needs: linux.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { FLAG, FRAME } from "../../src/wire/frames.ts";
import { frame, H2Raw, literals } from "./h2raw.ts";
import { type At, exchange, RawClient, responses } from "./raw.ts";
import { plain } from "./recorder.ts";
import { startWays, type Ways } from "./ways.ts";

/** How much the proxy may grow under any attack, and how long each lasts unless it is cut off. */
const GROWTH_MB = 160;
const ATTACK_MS = 1_500;
/** What an attacker may cost until it is cut off, and a frame or a kilobyte of one who is not, in such units. */
const MOST_TO_CUT = 400;
const MOST_PER_PIECE = 0.5;

type Attack = {
  readonly name: string;
  /** Whether the attacker must lose its connection. */
  readonly cut: boolean;
  /** Begins on a connection that has been greeted. */
  begin?(client: H2Raw): void;
  /** The bytes of round `n`, sent over and over. */
  round(n: number): Buffer;
  /** Whether what comes back is left unread. */
  readonly deaf?: boolean;
};

const HEAD = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "h"];
const GET = literals(HEAD);
const id = (n: number): number => 2 * n + 1;
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer).swap32();
const many = (count: number, bytes: Buffer): Buffer => Buffer.concat(Array(count).fill(bytes));
const whole = FLAG.END_HEADERS | FLAG.END_STREAM;

// oxfmt-ignore
const ATTACKS: readonly Attack[] = [
  { name: "rapid reset", cut: true,
    round: (n) => Buffer.concat([frame(FRAME.HEADERS, whole, id(n), GET), frame(FRAME.RST_STREAM, 0, id(n), u32(8))]) },
  { name: "resets that the server is made to send", cut: true,
    round: (n) => Buffer.concat([frame(FRAME.HEADERS, FLAG.END_HEADERS, id(n), GET), frame(FRAME.WINDOW_UPDATE, 0, id(n), u32(0))]) },
  { name: "requests that are malformed", cut: true,
    round: (n) => frame(FRAME.HEADERS, whole, id(n), literals([...HEAD, "X", "y"])) },
  { name: "a head without end", cut: true,
    begin: (client) => client.write(frame(FRAME.HEADERS, 0, 1, GET)),
    round: () => frame(FRAME.CONTINUATION, 0, 1, literals(["x", "y".repeat(1_000)])) },
  { name: "a head of empty pieces", cut: true,
    begin: (client) => client.write(frame(FRAME.HEADERS, 0, 1, GET)),
    round: () => many(100, frame(FRAME.CONTINUATION, 0, 1)) },
  { name: "SETTINGS", cut: true, round: () => many(100, frame(FRAME.SETTINGS, 0, 0)) },
  { name: "SETTINGS that change the windows", cut: true,
    begin: (client) => { for (let n = 0; n < 100; n++) client.head(id(n), HEAD, false); },
    round: (n) => many(100, frame(FRAME.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(n % 2 ? 0 : 65_535)]))) },
  { name: "PING", cut: true, round: () => many(100, frame(FRAME.PING, 0, 0, Buffer.alloc(8))) },
  { name: "PING by who does not listen", cut: true, deaf: true, round: () => many(1_000, frame(FRAME.PING, 0, 0, Buffer.alloc(8))) },
  { name: "empty DATA", cut: true,
    begin: (client) => client.head(1, HEAD, false),
    round: () => many(100, frame(FRAME.DATA, 0, 1)) },
  { name: "DATA of nothing but padding", cut: false,
    begin: (client) => client.head(1, HEAD, false),
    round: () => many(10, frame(FRAME.DATA, FLAG.PADDED, 1, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]))) },
  { name: "WINDOW_UPDATE", cut: false, round: () => many(100, frame(FRAME.WINDOW_UPDATE, 0, 0, u32(1))) },
  { name: "PRIORITY", cut: false, round: (n) => many(100, frame(FRAME.PRIORITY, 0, id(n % 1_000), Buffer.from([0, 0, 0, 0, 16]))) },
  { name: "frames that nobody knows", cut: false, round: () => many(100, frame(0x42, 0, 0, Buffer.alloc(100))) },
  { name: "an HPACK bomb", cut: false,
    begin: (client) => client.write(frame(FRAME.HEADERS, whole, 1, Buffer.concat([GET, Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4_000, "b")]))),
    round: (n) => frame(FRAME.HEADERS, whole, id(n + 1), Buffer.concat([GET, Buffer.alloc(16_000, 0xbe)])) },
  { name: "large answers to who does not listen", cut: false, deaf: true,
    begin: (client) => client.write(Buffer.concat([
      frame(FRAME.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(0x7fffffff)])), frame(FRAME.WINDOW_UPDATE, 0, 0, u32(0x7fff0000)),
      ...Array.from({ length: 300 }, (_, n) => frame(FRAME.HEADERS, whole, id(n), literals(HEAD.with(5, "/large")))),
    ])),
    round: () => Buffer.alloc(0) },
  { name: "windows that open byte by byte", cut: false,
    begin: (client) => client.write(Buffer.concat([
      frame(FRAME.SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 4]), u32(0)])),
      ...Array.from({ length: 500 }, (_, n) => frame(FRAME.HEADERS, whole, id(n), literals(HEAD.with(5, "/large")))),
    ])),
    round: (n) => frame(FRAME.WINDOW_UPDATE, 0, id(n % 500), u32(1)) },
];

let ways: Ways;
before(async () => {
  ways = await startWays();
  ways.recorder.answer = (message) =>
    message.target === "/large"
      ? { bytes: `HTTP/1.1 200 OK\r\nContent-Length: ${1 << 20}\r\n\r\n${"x".repeat(1 << 20)}` }
      : plain(message);
});
after(() => ways.stop());

describe("floods of HTTP/2", () => {
  for (const it of ATTACKS)
    test(it.name, () =>
      underAttack(it.cut, async (over) => {
        let frames = 0;
        const client = new H2Raw(ways.at("outbound", "http2"));
        if (it.deaf) client.socket.pause();
        it.begin?.(client);
        for (let n = 0; !over() && !client.closed && client.goaway === undefined; n++) {
          const bytes = it.round(n);
          frames += framesIn(bytes);
          if (bytes.length === 0 || !client.write(bytes)) await drained(client.socket);
          else if (n % 10 === 0) await new Promise((turn) => setImmediate(turn));
        }
        // Who does not listen does not hear that it is over either.
        if (it.deaf) client.socket.resume();
        if (it.cut)
          assert.ok(
            await client.until(() => client.closed || client.goaway !== undefined),
            "the attacker was let go on",
          );
        client.destroy();
        return frames;
      }),
    );
});

describe("floods of HTTP/1", () => {
  const at = (): At => ways.at("outbound", "http1");
  const crowd = (count: number): RawClient[] =>
    Array.from({ length: count }, () => new RawClient(at()));

  test("heads that never end", () =>
    underAttack(false, async (over) => {
      const clients = crowd(200);
      for (const client of clients) client.write("GET / HTTP/1.1\r\nHost: h\r\nX: ");
      await dribble(clients, "a", over);
    }));

  test("bodies that never end", () =>
    underAttack(false, async (over) => {
      const clients = crowd(200);
      for (const client of clients)
        client.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n");
      await dribble(clients, "a", over);
    }));

  test("chunks of one byte", () =>
    underAttack(false, (over) =>
      pour(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
        "1\r\na\r\n".repeat(1_000),
        false,
        over,
      ),
    ));

  test("fields without end", () =>
    underAttack(true, (over) => pour("GET / HTTP/1.1\r\n", "X: y\r\n".repeat(1_000), true, over)));

  test("a field without end", () =>
    underAttack(true, (over) => pour("GET / HTTP/1.1\r\nX: ", "y".repeat(10_000), true, over)));

  test("a target without end", () =>
    underAttack(true, (over) => pour("GET /", "y".repeat(10_000), true, over)));

  test("a chunk extension without end", () =>
    underAttack(true, (over) =>
      pour(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;",
        "y".repeat(10_000),
        true,
        over,
      ),
    ));

  test("trailers without end", () =>
    underAttack(true, (over) =>
      pour(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        "X: y\r\n".repeat(1_000),
        true,
        over,
      ),
    ));

  test("empty lines without end", () =>
    underAttack(true, (over) => pour("", "\r\n".repeat(5_000), true, over)));

  test("many requests by who does not listen", () =>
    underAttack(false, async (over) => {
      const clients = crowd(50);
      for (const client of clients) {
        client.socket.pause();
        client.write("GET /large HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1_000));
      }
      while (!over()) await sleep(50);
      for (const client of clients) client.destroy();
    }));

  test("connections that say nothing", () =>
    underAttack(false, async (over) => {
      const clients = crowd(1_000);
      while (!over()) await sleep(50);
      for (const client of clients) client.destroy();
    }));

  /** Sends `more` after `start` over and over; with `cut`, the client must be answered or cut off. */
  async function pour(
    start: string,
    more: string,
    cut: boolean,
    over: () => boolean,
  ): Promise<number> {
    const [client] = crowd(1) as [RawClient];
    client.write(start);
    let kilobytes = 0;
    while (!over() && !client.closed && !(cut && client.text !== "")) {
      client.write(more);
      kilobytes += more.length / 1_024;
      if (client.socket.writableNeedDrain) await drained(client.socket);
      else await new Promise((turn) => setImmediate(turn));
    }
    if (cut) {
      const { text, closed } = await client.until((got) => responses(got, ["GET"]).length > 0);
      assert.ok(closed || /^HTTP\/1\.1 4\d\d /.test(text), "the attacker was let go on");
    }
    client.destroy();
    return kilobytes;
  }
});

/** Runs `attack` until `over` says so, while others make requests, and looks at the proxy's memory and CPU. What it
 * resolves to are the frames or kilobytes that it has sent; with `cut`, the proxy may do only so much in all. */
async function underAttack(
  cut: boolean,
  attack: (over: () => boolean) => Promise<number | void>,
): Promise<void> {
  const { client: proxy } = ways.proxies;
  const pid = proxy.child.pid!;
  const unit = await costOfServing(pid);
  const started = performance.now();
  const before = residentMb(pid);
  const cpuBefore = cpuMs(pid);
  let largest = before;
  let attacking = true;
  let rounds = 0;
  const others = (async () => {
    for (; attacking || rounds < 3; rounds++) {
      await served();
      largest = Math.max(largest, residentMb(pid));
      await sleep(20);
    }
  })();
  let pieces: number | void;
  try {
    pieces = await attack(() => performance.now() - started > ATTACK_MS);
  } finally {
    attacking = false;
    await others;
  }
  assert.ok(proxy.running, proxy.output);
  assert.ok(largest - before < GROWTH_MB, `it grew from ${before} to ${largest} MB`);
  const cost = (cpuMs(pid) - cpuBefore) / unit - rounds;
  const account = `${cost.toFixed(1)} units of ${unit.toFixed(2)} ms for ${Math.round(pieces ?? 0)} pieces`;
  if (process.env["FLOODS_COST"]) process.stdout.write(`${account}, cut ${cut}\n`);
  if (cut) assert.ok(cost < MOST_TO_CUT, account);
  else if (pieces) assert.ok(cost / pieces < MOST_PER_PIECE, account);
}

/** The CPU time in ms that the proxy spends on one good request of each version. */
async function costOfServing(pid: number): Promise<number> {
  const ROUNDS = 20;
  const before = cpuMs(pid);
  for (let n = 0; n < ROUNDS; n++) await served();
  return (cpuMs(pid) - before) / ROUNDS;
}

/** CPU time of all threads of a process, as the scheduler counts it. */
function cpuMs(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8"))
    .reduce((sum, text) => sum + Number(text.split(" ")[0]) / 1e6, 0);
}

/** How many whole frames these bytes are. */
function framesIn(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) count += 1;
  return count;
}

/** One good request of each version is answered. */
async function served(): Promise<void> {
  const client = new H2Raw(ways.at("outbound", "http2"));
  client.head(1, HEAD);
  const { text } = await exchange(
    ways.at("outbound", "http1"),
    "GET /ok HTTP/1.1\r\nHost: h\r\n\r\n",
    ["GET"],
    5_000,
  );
  assert.equal(responses(text, ["GET"])[0]?.body, "GET /ok 0", "another client of HTTP/1 was hurt");
  assert.equal(await client.status(1), 200, "another client of HTTP/2 was hurt");
  client.destroy();
}

async function dribble(
  clients: readonly RawClient[],
  byte: string,
  over: () => boolean,
): Promise<void> {
  while (!over()) {
    for (const client of clients) if (!client.closed) client.write(byte);
    await sleep(50);
  }
  for (const client of clients) client.destroy();
}

/** Waits until what was written has left, the connection is gone, or a moment has passed. */
async function drained(socket: Socket): Promise<void> {
  const quit = new AbortController();
  const { signal } = quit;
  const over = [
    once(socket, "drain", { signal }),
    once(socket, "close", { signal }),
    sleep(50, undefined, { signal }),
  ];
  await Promise.race(over).catch(() => {});
  quit.abort();
  await Promise.allSettled(over);
}

function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1_024;
}
