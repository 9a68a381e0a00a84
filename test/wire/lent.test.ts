// Lent memory, on every way that bytes take through a proxy: hundreds of megabytes to and fro between ends that are slow
// at times and break off at times. What is read into again too soon shows, for pages are overwritten as soon as
// nobody has a right to their bytes.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import net from "node:net";
import type { Duplex, Readable, Writable } from "node:stream";
import { after, before, test } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { seededRandom } from "../../src/base/random.ts";
import type { Conn, SocketAddr } from "../../src/io/conn.ts";
import { detect } from "../../src/io/detect.ts";
import { dial } from "../../src/io/dial.ts";
import { H1Client } from "../../src/io/h1client.ts";
import { serveH1 } from "../../src/io/h1server.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { listen } from "../../src/io/listen.ts";
import { poisonPages } from "../../src/io/memory.ts";
import type { HttpReq, HttpService } from "../../src/io/message.ts";
import { splice } from "../../src/io/splice.ts";
import { acceptTls, startTls } from "../../src/io/tls.ts";
import { retry } from "../../src/stack/retry.ts";
import { authority } from "../support/authority.ts";

const BYTES = 12_000_000;
const EXCHANGES = 4;
const LOST = 3;

const local: SocketAddr = { ip: "127.0.0.1", port: 0 };
const options = { clock: systemClock, timeoutMs: 10_000 };
const random = seededRandom(7);
const upTo = (most: number): number => 1 + random.below(most);

before(() => poisonPages(0xdb));
after(() => poisonPages(undefined));

/** What one exchange sends and wants back: no two exchanges have the same bytes at the same place. */
class Bytes {
  static readonly all = randomBytes(999_983);
  private at: number;
  private left: number;

  constructor(seed: number, count: number) {
    this.at = (seed * 123_457) % Bytes.all.length;
    this.left = count;
  }

  get over(): boolean {
    return this.left === 0;
  }

  take(most: number): Buffer {
    const end = Math.min(Bytes.all.length, this.at + Math.min(most, this.left));
    const taken = Bytes.all.subarray(this.at, end);
    this.left -= taken.length;
    this.at = end % Bytes.all.length;
    return taken;
  }

  check(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const wanted = this.take(chunk.length - at);
      assert.ok(wanted.length > 0, "more came back than was sent");
      const got = chunk.subarray(at, at + wanted.length);
      assert.ok(got.equals(wanted), `other bytes, ${this.left} before the end`);
      at += wanted.length;
    }
  }
}

/** Writes all of `bytes` in pieces of any size, then ends. */
function pour(bytes: Bytes, to: Writable): void {
  const fill = (): void => {
    while (!bytes.over && !to.destroyed) {
      if (!to.write(bytes.take(random.next() < 0.3 ? upTo(300) : upTo(200_000))))
        return void to.once("drain", fill);
    }
    to.end();
  };
  fill();
}

/** Calls `each` for every chunk, after a break long enough to fill the kernel, and with one now and then. */
function read(from: Readable, each: (chunk: Buffer) => void): Readable {
  const rest = (ms: number): void => {
    from.pause();
    setTimeout(() => from.resume(), ms);
  };
  from.on("data", (chunk: Buffer) => {
    each(chunk);
    if (random.next() < 0.03) rest(upTo(6));
  });
  rest(upTo(400));
  return from;
}

function echo(from: Readable, to: Writable): void {
  read(from, (chunk) => {
    if (to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  });
  from.on("end", () => to.end());
  for (const end of [from, to]) end.on("error", () => to.destroy());
}

/** The two kinds of ends, as a server that echoes and as a client that opens an exchange. */
type End = {
  serve(): net.Server;
  open(port: number): Promise<{ to: Writable; from: Promise<Readable>; destroy(): void }>;
};

const duplex = (stream: Duplex) => ({
  to: stream,
  from: Promise.resolve(stream),
  destroy: () => void stream.destroy(),
});

const bytes: End = {
  serve: () => net.createServer({ allowHalfOpen: true }, (socket) => echo(socket, socket)),
  open: async (port) =>
    duplex(net.connect({ port, host: local.ip, allowHalfOpen: true }).on("error", () => {})),
};

const http1: End = {
  serve: () => http.createServer((req, rsp) => echo(req, rsp)),
  async open(port) {
    const chunked = random.next() < 0.5;
    const headers = chunked ? {} : { "content-length": BYTES };
    const req = http.request({ port, host: local.ip, method: "POST", agent: false, headers });
    const from = once(req, "response").then(([rsp]) => rsp as Readable);
    from.catch(() => {});
    req.on("error", () => {}).flushHeaders();
    return { to: req, from, destroy: () => void req.destroy() };
  },
};

const sessions = new Map<number, http2.ClientHttp2Session>();
const h2c: End = {
  serve: () =>
    http2.createServer().on("stream", (stream: http2.ServerHttp2Stream) => {
      stream.respond({ ":status": 200 });
      echo(stream, stream);
    }),
  async open(port) {
    const session = sessions.get(port) ?? http2.connect(`http://${local.ip}:${port}`);
    sessions.set(port, session);
    const stream = session.request({ ":method": "POST", ":path": "/" });
    return duplex(stream.on("error", () => {}));
  },
};

type Way = {
  readonly front: End;
  readonly back: End;
  readonly protocol: "bytes" | "http1" | "http2";
  forward(backend: SocketAddr): Promise<(conn: Conn) => Promise<void>>;
};

const ca = await authority();
const [web, app] = [await ca.certify("web.ns.example"), await ca.certify("app.ns.example")];
const opened: { close(): void }[] = [];
const conns: Conn[] = [];

/** Mutual TLS to a proxy of its own in this process, which does with connections as `serve` says. */
async function secured(serve: (conn: Conn) => Promise<void>): Promise<() => Promise<Conn>> {
  const inner = await listen(local, {}, (conn) => {
    conns.push(conn);
    void detect(conn, 1000, systemClock).then(async ({ first }) =>
      serve(await acceptTls(conn, app, options, first)),
    );
  });
  opened.push(inner);
  const server = { id: app.name, serverName: app.name };
  return async () => startTls(await dial(inner.addr, options), web, server, options);
}

const toHttp1 =
  (backend: SocketAddr): HttpService =>
  async (req) =>
    new H1Client(await dial(backend, options)).request(req);

const toHttp2 = (open: () => Promise<Conn>): HttpService => {
  const client = open().then((conn) => new H2Client(conn, options));
  return async (req) => (await client).request(req);
};

const asHttp1 = (service: HttpService) => async (conn: Conn) =>
  serveH1(conn, service, options).done;
const asHttp2 = (service: HttpService) => async (conn: Conn) =>
  serveH2(conn, service, options).done;
const through = (open: () => Promise<Conn>) => async (conn: Conn) =>
  void (await splice(conn, await open()));

const WAYS: Record<string, Omit<Way, "protocol">> = {
  "a byte stream": {
    front: bytes,
    back: bytes,
    forward: async (backend) => through(() => dial(backend, options)),
  },
  "a byte stream in TLS": {
    front: bytes,
    back: bytes,
    forward: async (backend) => through(await secured(through(() => dial(backend, options)))),
  },
  "HTTP/1": { front: http1, back: http1, forward: async (backend) => asHttp1(toHttp1(backend)) },
  "HTTP/1 to HTTP/2": {
    front: http1,
    back: h2c,
    forward: async (backend) => asHttp1(toHttp2(() => dial(backend, options))),
  },
  "HTTP/2 to HTTP/1": {
    front: h2c,
    back: http1,
    forward: async (backend) => asHttp2(toHttp1(backend)),
  },
  "HTTP/2": {
    front: h2c,
    back: h2c,
    forward: async (backend) => asHttp2(toHttp2(() => dial(backend, options))),
  },
  "HTTP/1 between two proxies, HTTP/2 in TLS": {
    front: http1,
    back: http1,
    forward: async (backend) => asHttp1(toHttp2(await secured(asHttp2(toHttp1(backend))))),
  },
};

for (const [name, { front, back, forward }] of Object.entries(WAYS)) {
  test(`${name}: every byte is what was sent`, { timeout: 120_000 }, async (t) => {
    const server = back.serve().listen(0, local.ip);
    opened.push({ close: () => server.close() });
    t.after(tidy);
    await once(server, "listening");
    const serve = await forward({ ip: local.ip, port: (server.address() as net.AddressInfo).port });
    const proxy = await listen(local, {}, (conn) => {
      conns.push(conn);
      void serve(conn);
    });
    opened.push(proxy);
    const lost = Promise.all(Array.from({ length: LOST }, () => lose(front, proxy.addr.port)));
    await Promise.all(
      Array.from({ length: EXCHANGES }, (_, seed) => exchange(front, proxy.addr.port, seed, BYTES)),
    );
    await lost;
  });
}

function tidy(): void {
  for (const session of sessions.values()) session.destroy();
  sessions.clear();
  for (const each of opened.splice(0)) each.close();
  for (const conn of conns.splice(0)) conn.destroy();
}

test("a request that is sent again has the same body", { timeout: 60_000 }, async (t) => {
  const tries = new Map<string, number>();
  const server = http.createServer((req, rsp) => {
    const id = req.url!;
    tries.set(id, (tries.get(id) ?? 0) + 1);
    if (tries.get(id)! > 2) return echo(req, rsp);
    const enough = upTo(40_000);
    let got = 0;
    req.on("data", (chunk: Buffer) => {
      got += chunk.length;
      if (got >= enough && !rsp.headersSent) rsp.writeHead(503).end();
    });
  });
  await once(server.listen(0, local.ip), "listening");
  opened.push({ close: () => server.close() });
  t.after(tidy);
  const backend = { ip: local.ip, port: (server.address() as net.AddressInfo).port };
  const again = retry(
    {
      limit: 5,
      maxBodyBytes: 65_536,
      statuses: [{ from: 503, to: 503 }],
      grpcStatuses: [],
      attemptMs: undefined,
      backoff: undefined,
    },
    { clock: systemClock, random },
  );
  const serve = asHttp1(again((req: HttpReq) => toHttp1(backend)(req)));
  const proxy = await listen(local, {}, (conn) => {
    conns.push(conn);
    void serve(conn);
  });
  opened.push(proxy);
  const one = async (seed: number): Promise<void> => {
    const sent = new Bytes(seed, 50_000);
    const req = http.request({
      port: proxy.addr.port,
      host: local.ip,
      path: `/${seed}`,
      method: "POST",
      agent: false,
    });
    const answered = once(req, "response");
    while (!sent.over) {
      req.write(sent.take(upTo(20_000)));
      await new Promise((resolve) => setTimeout(resolve, upTo(3)));
    }
    req.end();
    const [rsp] = (await answered) as [http.IncomingMessage];
    const back = new Bytes(seed, 50_000);
    await once(
      read(rsp, (chunk) => back.check(chunk)),
      "end",
    );
    assert.ok(back.over);
    assert.equal(tries.get(`/${seed}`), 3);
  };
  for (let seed = 0; seed < 60; seed += 20)
    await Promise.all(Array.from({ length: 20 }, (_, n) => one(seed + n)));
});

async function exchange(end: End, port: number, seed: number, count: number): Promise<void> {
  const { to, from } = await end.open(port);
  pour(new Bytes(seed, count), to);
  const back = new Bytes(seed, count);
  const answer = await from;
  await new Promise<void>((resolve, reject) => {
    read(answer, (chunk) => {
      try {
        back.check(chunk);
      } catch (error) {
        reject(error as Error);
      }
    });
    answer.on("end", resolve).on("error", reject);
  });
  assert.ok(back.over, "the end is missing");
}

/** An exchange that breaks off in the middle of everything. */
async function lose(end: End, port: number): Promise<void> {
  const { to, from, destroy } = await end.open(port);
  pour(new Bytes(upTo(100), BYTES), to);
  let left = upTo(BYTES / 2);
  const answer = await from;
  await new Promise<void>((resolve) => {
    answer.on("error", () => {}).on("close", resolve);
    read(answer, (chunk) => {
      left -= chunk.length;
      if (left < 0) destroy();
    });
  });
}
