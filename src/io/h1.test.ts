// HTTP/1 through a hop of ours, between Node's own client and server, which know nothing of our code.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { listenH1, RawPeer } from "../../test/support/h1.ts";
import { PEER } from "../../test/support/h2.ts";
import { systemClock } from "../base/clock.ts";
import { Conn } from "./conn.ts";
import { H1Pool } from "./pool.ts";

const port = (server: net.Server): number => (server.address() as net.AddressInfo).port;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A hop of ours in front of a Node server; gives what a client needs and what a test may look at. */
async function hop(listener: http.RequestListener, idleTimeoutMs = 60_000) {
  const backend = http.createServer({ keepAliveTimeout: 60_000 }, listener);
  let connections = 0;
  backend.on("connection", () => connections++);
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  const dial = async (): Promise<Conn> => {
    const socket = net.connect({ port: port(backend), host: "127.0.0.1", allowHalfOpen: true });
    await once(socket, "connect");
    return new Conn(socket, PEER);
  };
  const pool = new H1Pool(dial, { clock: systemClock, idleTimeoutMs });
  const front = await listenH1(pool.service);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
  return {
    backend,
    pool,
    port: front.port,
    connections: () => connections,
    request: (options: http.RequestOptions) =>
      http.request({ port: front.port, host: "127.0.0.1", agent, ...options }),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      pool.close();
      await front[Symbol.asyncDispose]();
      backend.closeAllConnections();
      backend.close();
      await once(backend, "close");
    },
  };
}

async function answerTo(req: http.ClientRequest): Promise<[http.IncomingMessage, Buffer]> {
  const [rsp] = (await once(req, "response")) as [http.IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of rsp) chunks.push(chunk as Buffer);
  return [rsp, Buffer.concat(chunks)];
}

/** Answers with what it got, by length or by chunks as the client says, and with its sum in the fields or the trailers. */
async function mirror(req: http.IncomingMessage, rsp: http.ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  const sum = createHash("sha1").update(body).digest("hex");
  rsp.setHeader("X-Sum", sum);
  rsp.setHeader("Set-Cookie", ["a=1", "b=2"]);
  if (req.headers["x-length"] !== undefined) rsp.setHeader("Content-Length", body.length);
  else rsp.setHeader("Trailer", "X-End");
  for (let at = 0; at < body.length; at += 70_000) rsp.write(body.subarray(at, at + 70_000));
  if (req.headers["x-length"] === undefined) rsp.addTrailers({ "X-End": sum });
  rsp.end();
}

test("messages of every shape, many at a time, over few connections", async () => {
  await using mesh = await hop((req, rsp) => void mirror(req, rsp));
  const one = async (i: number): Promise<void> => {
    const body = randomBytes([0, 1, 100, 5000, 70_000, 300_000][i % 6]!);
    const headers: http.OutgoingHttpHeaders = {
      "X-I": i,
      TE: "trailers",
      Connection: "TE, keep-alive",
    };
    if (i % 2 === 0) headers["Content-Length"] = body.length;
    else headers["Transfer-Encoding"] = "chunked";
    if (i % 3 === 0) headers["X-Length"] = "1";
    const req = mesh.request({ method: "POST", path: `/${i}`, headers });
    req.end(body);
    const [rsp, got] = await answerTo(req);
    const sum = createHash("sha1").update(body).digest("hex");
    assert.equal(rsp.statusCode, 200);
    assert.ok(got.equals(body), `${i}: ${got.length} of ${body.length} bytes`);
    assert.equal(rsp.headers["x-sum"], sum);
    assert.deepEqual(rsp.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(rsp.trailers["x-end"], i % 3 === 0 ? undefined : sum);
  };
  await Promise.all(Array.from({ length: 120 }, (_, i) => one(i)));
  assert.ok(mesh.connections() <= 4, `${mesh.connections()} connections`);
});

test("Expect: 100-continue, 103 and HEAD pass", async () => {
  await using mesh = await hop((req, rsp) => {
    rsp.writeEarlyHints({ link: "</a>; rel=preload" });
    rsp.setHeader("Content-Length", 5);
    req.resume().on("end", () => rsp.end(req.method === "HEAD" ? undefined : "hello"));
  });
  const head = mesh.request({ method: "HEAD" });
  head.end();
  const [rsp, none] = await answerTo(head);
  assert.deepEqual([rsp.headers["content-length"], none.length], ["5", 0]);

  const post = mesh.request({ method: "POST", headers: { Expect: "100-continue" } });
  const informed: number[] = [];
  post.on("information", ({ statusCode }) => informed.push(statusCode));
  post.flushHeaders();
  await once(post, "continue");
  post.end("body");
  assert.equal((await answerTo(post))[1].toString(), "hello");
  assert.deepEqual(informed, [100, 103]);
});

test("the server closing an idle connection does not harm the next request", async () => {
  await using mesh = await hop((_req, rsp) => void rsp.end("ok"));
  for (let i = 0; i < 20; i++) {
    const req = mesh.request({ method: "POST" });
    req.end("x");
    assert.equal((await answerTo(req))[1].toString(), "ok");
    mesh.backend.closeIdleConnections();
    while (mesh.pool.open > 0) await turn();
  }
  assert.equal(mesh.connections(), 20);
});

test("a stream of 200 MB passes in constant memory, at the pace of its reader", async () => {
  const total = 200 << 20;
  const block = Buffer.alloc(1 << 20, "x");
  let produced = 0;
  await using mesh = await hop((_req, rsp) => {
    const produce = (): void => {
      while (produced < total) {
        produced += block.length;
        if (!rsp.write(block)) return void rsp.once("drain", produce);
      }
      rsp.end();
    };
    produce();
  });
  const req = mesh.request({ path: "/large" });
  req.end();
  const [rsp] = (await once(req, "response")) as [http.IncomingMessage];
  let got = 0;
  let peak = 0;
  for await (const chunk of rsp) {
    got += (chunk as Buffer).length;
    peak = Math.max(peak, produced - got);
    if (got < 4 << 20) await turn();
  }
  assert.equal(got, total);
  assert.ok(peak < 64 << 20, `${peak >> 20} MB between server and client`);
});

test("an upload whose client dies reaches the server as broken, never as complete", async () => {
  let aborted!: () => void;
  const died = new Promise<void>((resolve) => (aborted = resolve));
  let ended = false;
  await using mesh = await hop((req) => {
    req.resume().on("end", () => (ended = true));
    req.on("error", () => {}).on("close", aborted);
  });
  for (const framing of ["Content-Length: 100000", "Transfer-Encoding: chunked"]) {
    await using peer = await RawPeer.dial(mesh.port);
    peer.send(`POST / HTTP/1.1\r\nHost: h\r\n${framing}\r\n\r\n3\r\nabc\r\n`);
    while (mesh.pool.open === 0) await turn();
    await turn();
    peer.socket.destroy();
    await died;
    assert.equal(ended, false);
    while (mesh.pool.open > 0) await turn();
  }
});

test("a server that dies in the middle breaks the client's response", async () => {
  await using mesh = await hop((req, rsp) => {
    if (req.url === "/length") rsp.setHeader("Content-Length", 100);
    rsp.write("part of it");
    setImmediate(() => req.socket.destroy());
  });
  for (const path of ["/length", "/chunked"]) {
    const req = mesh.request({ path, agent: false });
    req.end();
    const [rsp] = (await once(req, "response")) as [http.IncomingMessage];
    await assert.rejects(async () => {
      for await (const _ of rsp);
    });
    assert.equal(rsp.complete, false);
  }
});

test("WebSocket: frames pass both ways until both sides have closed", async () => {
  const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  await using mesh = await hop(() => {});
  mesh.backend.on("upgrade", (req: http.IncomingMessage, socket: net.Socket) => {
    const key = createHash("sha1").update(`${req.headers["sec-websocket-key"]}${guid}`);
    const accept = key.digest("base64");
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  const key = randomBytes(16).toString("base64");
  const req = mesh.request({
    agent: false,
    headers: { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Key": key },
  });
  req.end();
  const [rsp, socket] = (await once(req, "upgrade")) as [http.IncomingMessage, net.Socket];
  const accept = createHash("sha1").update(`${key}${guid}`).digest("base64");
  assert.equal(rsp.headers["sec-websocket-accept"], accept);
  const sent = randomBytes(500_000);
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.write(sent.subarray(0, 10));
  await once(socket, "data");
  socket.end(sent.subarray(10));
  await once(socket, "close");
  assert.ok(Buffer.concat(chunks).equals(sent));
  while (mesh.pool.open > 0) await turn();
});
