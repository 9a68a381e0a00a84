// HTTP/2 over real sockets: our server and client with each other, and each with Node's http2 as an independent peer.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import net from "node:net";
import { test } from "node:test";
import {
  dialH2,
  faultOf,
  HandFed,
  listenH2,
  PEER,
  request,
  Slow,
  text,
} from "../../test/support/h2.ts";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { H2 } from "../wire/h2error.ts";
import { header } from "../wire/headers.ts";
import { Body } from "./body.ts";
import { HttpReq, HttpRsp } from "./message.ts";

const ok = (body: Body | string = "", headers: string[] = []): HttpRsp =>
  new HttpRsp(200, headers, typeof body === "string" ? Body.of(body) : body, 20);

const settle = (ms = 20): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a request and its response, whole", async () => {
  let seen: HttpReq | undefined;
  await using server = await listenH2(async (req) => {
    seen = req;
    return ok(`${req.method} ${req.path} ${await text(req.body)}`, ["x-a", "1", "x-a", "2"]);
  });
  await using client = await dialH2(server.port);
  const rsp = await client.request(request("POST", "/p?q", Body.of("hello"), ["x-b", "ä"]));
  assert.equal(rsp.status, 200);
  assert.equal(rsp.version, 20);
  assert.deepEqual(rsp.headers, ["x-a", "1", "x-a", "2"]);
  assert.equal(await text(rsp.body), "POST /p?q hello");
  assert.equal(seen!.authority, "test.example");
  assert.equal(seen!.scheme, "http");
  assert.deepEqual(seen!.headers, ["x-b", "ä"]);
  assert.ok(rsp.body.whole, "complete in one chunk");
});

test("a thousand requests at once on one connection, each with its own answer", async () => {
  await using server = await listenH2(async (req) => ok(req.path));
  await using client = await dialH2(server.port);
  const paths = Array.from({ length: 1000 }, (_, i) => `/${i}`);
  const rsps = await Promise.all(paths.map((path) => client.request(request("GET", path))));
  assert.deepEqual(await Promise.all(rsps.map((rsp) => text(rsp.body))), paths);
  assert.equal(client.load, 0);
  assert.equal(server.servers[0]!.streams.size, 0);
});

test("bodies far beyond every window pass both ways at the same time", async () => {
  await using server = await listenH2(async (req) => ok(req.body));
  await using client = await dialH2(server.port);
  const bytes = Buffer.alloc(5_000_000, "0123456789");
  const rsps = await Promise.all(
    [1, 2, 3].map(() => client.request(request("POST", "/", Body.of(bytes)))),
  );
  for (const rsp of rsps) assert.equal(await text(rsp.body), bytes.toString());
});

test("a slow reader stops its writer, and no other stream", async () => {
  const source = new HandFed();
  await using server = await listenH2(async (req) =>
    req.path === "/slow" ? ok(source.body) : ok("fast"),
  );
  await using client = await dialH2(server.port);
  const rsp = await client.request(request("GET", "/slow"));
  const reader = new Slow();
  rsp.body.to(reader);
  let pushed = 0;
  while (source.body.push(Buffer.alloc(10_000, 1))) pushed += 10_000;
  await settle();
  assert.ok(pushed <= 65_535, `${pushed} bytes went beyond the window`);
  assert.ok(reader.bytes <= 65_535);
  const before = source.resumes;
  assert.equal(await text((await client.request(request("GET", "/fast"))).body), "fast");
  assert.equal(source.resumes, before, "still stopped");
  reader.open = true;
  rsp.body.resume();
  while (source.resumes === before) await settle(1);
  source.body.push(Buffer.from("end"));
  source.body.finish(["x-sum", "7"]);
  await reader.over;
  assert.equal(reader.bytes, source.body.bytes);
  assert.deepEqual(reader.trailers, ["x-sum", "7"]);
});

test("an upload waits for its reader", async () => {
  const reader = new Slow();
  let uploaded: Body | undefined;
  await using server = await listenH2(async (req) => {
    uploaded = req.body;
    uploaded.to(reader);
    await reader.over;
    return ok(String(reader.bytes));
  });
  await using client = await dialH2(server.port);
  const source = new HandFed();
  const answer = client.request(request("POST", "/", source.body));
  while (source.body.push(Buffer.alloc(9000))) continue;
  await settle();
  assert.ok(reader.bytes <= 65_535);
  const waiting = reader.bytes;
  await settle();
  assert.equal(reader.bytes, waiting);
  reader.open = true;
  uploaded!.resume();
  source.body.finish();
  assert.equal(await text((await answer).body), String(source.body.bytes));
});

test("trailers pass both ways, with and without content", async () => {
  await using server = await listenH2(async (req) => {
    const got = new Slow();
    got.open = true;
    req.body.to(got);
    await got.over;
    return ok(Body.of(`${header(got.trailers!, "x-up")}`, ["x-down", "2"]));
  });
  await using client = await dialH2(server.port);
  for (const content of ["", "abc"]) {
    const rsp = await client.request(request("POST", "/", Body.of(content, ["x-up", "1"])));
    assert.equal(await text(rsp.body), "1");
    assert.deepEqual(rsp.body.ended!.trailers, ["x-down", "2"]);
  }
});

test("interim responses come before the final one", async () => {
  await using server = await listenH2(async (req) => {
    req.inform!(100, []);
    req.inform!(103, ["link", "</a>"]);
    await settle(1);
    return ok("done");
  });
  await using client = await dialH2(server.port);
  const req = request("GET", "/");
  const interim: unknown[] = [];
  req.inform = (status, headers) => interim.push([status, headers]);
  const rsp = await client.request(req);
  assert.equal(await text(rsp.body), "done");
  assert.deepEqual(interim, [
    [100, []],
    [103, ["link", "</a>"]],
  ]);
});

test("a client that gives up cancels the service, which hears the code", async () => {
  let cancelled: ((fault: Fault) => void) | undefined;
  const heard = new Promise<Fault>((resolve) => (cancelled = resolve));
  await using server = await listenH2((req) => {
    req.onCancel = cancelled;
    return new Promise(() => {});
  });
  await using client = await dialH2(server.port);
  const req = request("GET", "/");
  const answer = faultOf(client.request(req));
  await settle();
  const why = new Fault("cancelled", "enough");
  req.cancel(why);
  assert.equal(await answer, why);
  const fault = await heard;
  assert.equal(fault.code, "cancelled");
  assert.equal(fault.side, "client");
  assert.equal(fault.detail, H2.CANCEL);
  assert.equal(server.servers[0]!.streams.size, 0);
});

test("giving a response up in the middle stops who makes it", async () => {
  const source = new HandFed();
  await using server = await listenH2(async () => ok(source.body));
  await using client = await dialH2(server.port);
  const rsp = await client.request(request("GET", "/"));
  rsp.body.cancel(new Fault("cancelled", "enough"));
  while (source.cancelled === undefined) await settle(1);
  assert.equal(source.cancelled.code, "cancelled");
});

test("a response that breaks off is reset, with the code of its own reset if it had one", async () => {
  const source = new HandFed();
  await using server = await listenH2(async () => ok(source.body));
  await using client = await dialH2(server.port);
  const rsp = await client.request(request("GET", "/"));
  const reader = new Slow();
  rsp.body.to(reader);
  source.body.push(Buffer.from("half"));
  source.body.abort(new Fault("reset", "upstream", { detail: H2.ENHANCE_YOUR_CALM }));
  await reader.over;
  assert.equal(reader.fault?.code, "reset");
  assert.equal(reader.fault?.detail, H2.ENHANCE_YOUR_CALM);
});

test("a service that fails with a reset resets, with anything else answers its status", async () => {
  await using server = await listenH2((req) =>
    Promise.reject(
      req.path === "/reset"
        ? new Fault("reset", "x", { detail: H2.HTTP_1_1_REQUIRED })
        : new Fault("rate-limited", "slow down"),
    ),
  );
  await using client = await dialH2(server.port);
  const fault = await faultOf(client.request(request("GET", "/reset")));
  assert.deepEqual([fault.code, fault.detail], ["reset", H2.HTTP_1_1_REQUIRED]);
  assert.equal((await client.request(request("GET", "/"))).status, 429);
});

test("streams beyond the server's limit wait at the client, beyond the client's knowledge they are refused", async () => {
  let running = 0;
  let most = 0;
  await using server = await listenH2(
    async () => {
      most = Math.max(most, ++running);
      await settle(2);
      running--;
      return ok();
    },
    { maxConcurrentStreams: 3 },
  );
  await using client = await dialH2(server.port);
  const changes: boolean[] = [];
  client.onReady = (ready) => changes.push(ready);
  // The settings have not arrived yet, so that a hundred may be sent at once.
  const first = await Promise.allSettled(
    Array.from({ length: 10 }, () => client.request(request("GET", "/"))),
  );
  const refused = first.filter((result) => result.status === "rejected");
  assert.equal(refused.length, 7);
  for (const result of refused) {
    const fault = result.reason as Fault;
    assert.deepEqual([fault.code, fault.retryable], ["refused-stream", true]);
  }
  const later = await Promise.all(
    Array.from({ length: 10 }, () => client.request(request("GET", "/"))),
  );
  assert.equal(later.length, 10);
  assert.equal(most, 3);
  assert.deepEqual(changes.slice(-2), [false, true]);
});

test("a draining server finishes what is under way and refuses the rest", async () => {
  let finish: (() => void) | undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  await using server = await listenH2(async () => {
    await finished;
    return ok("finished");
  });
  await using client = await dialH2(server.port);
  const underWay = client.request(request("GET", "/"));
  await settle();
  server.servers[0]!.drain();
  while (client.ready) await settle(1);
  const refused = await faultOf(client.request(request("GET", "/late")));
  assert.deepEqual([refused.code, refused.retryable], ["refused-stream", true]);
  finish!();
  assert.equal(await text((await underWay).body), "finished");
  await Promise.all([client.done, server.servers[0]!.done]);
});

test("a server that drains announces its end once, however often it is told to", async () => {
  await using server = await listenH2(() => Promise.resolve(ok("fine")));
  await using client = await dialH2(server.port);
  await client.request(request("GET", "/"));
  const told: number[] = [];
  const onGoAway = client.onGoAway.bind(client);
  client.onGoAway = (lastStreamId, code, reason) => {
    told.push(lastStreamId);
    onGoAway(lastStreamId, code, reason);
  };
  for (let i = 0; i < 3; i++) server.servers[0]!.drain();
  await client.done;
  assert.equal(told.filter((last) => last === 0x7fff_ffff).length, 1);
});

test("a closing client finishes what is under way", async () => {
  await using server = await listenH2(async () => {
    await settle(5);
    return ok("finished");
  });
  await using client = await dialH2(server.port);
  const underWay = client.request(request("GET", "/"));
  client.close();
  assert.ok(!client.ready);
  assert.equal(await text((await underWay).body), "finished");
  await Promise.all([client.done, server.servers[0]!.done]);
});

test("when the connection breaks, everybody who waits is told", async () => {
  const source = new HandFed();
  let cancelled: Fault | undefined;
  await using server = await listenH2((req) => {
    if (req.path === "/body") return Promise.resolve(ok(source.body));
    req.onCancel = (fault) => (cancelled = fault);
    return new Promise(() => {});
  });
  await using client = await dialH2(server.port);
  const reader = new Slow();
  (await client.request(request("GET", "/body"))).body.to(reader);
  const waiting = faultOf(client.request(request("GET", "/")));
  await settle();
  client.conn.destroy();
  assert.equal((await waiting).code, "io");
  await reader.over;
  assert.equal(reader.fault?.code, "io");
  await server.servers[0]!.done;
  assert.ok(cancelled && source.cancelled);
  assert.equal((await faultOf(client.request(request("GET", "/")))).code, "refused-stream");
});

test("a peer that does not answer the keep-alive PING is given up", async () => {
  const clock = new VirtualClock();
  const listener = net.createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
  await once(listener, "listening");
  await using client = await dialH2((listener.address() as net.AddressInfo).port, {
    clock,
    keepAliveIntervalMs: 10_000,
    keepAliveTimeoutMs: 3000,
  });
  const waiting = faultOf(client.request(request("GET", "/")));
  clock.advance(12_999);
  assert.ok(client.ready);
  clock.advance(1);
  assert.match((await waiting).message, /keep-alive/);
  listener.close();
});

test("a peer that answers the keep-alive PING is kept", async () => {
  const clock = new VirtualClock();
  await using server = await listenH2(async () => ok("still here"));
  await using client = await dialH2(server.port, { clock, keepAliveIntervalMs: 10_000 });
  for (let i = 0; i < 5; i++) {
    clock.advance(10_000);
    await settle(5);
  }
  assert.equal(await text((await client.request(request("GET", "/"))).body), "still here");
});

test("CONNECT opens a tunnel for bytes both ways, and each side may end on its own", async () => {
  await using server = await listenH2(async (req) => {
    assert.deepEqual(
      [req.method, req.authority, req.path, req.upgrade],
      ["CONNECT", "db:5432", "", ""],
    );
    const rsp = ok();
    const echo = new HandFed();
    rsp.tunnel = {
      incoming: echo.body,
      send: (outgoing) =>
        outgoing.to({
          chunk: (chunk) => (echo.body.push(Buffer.from(`<${chunk.toString()}>`)), true),
          end: () => echo.body.finish(),
          abort: () => {},
        }),
    };
    return rsp;
  });
  await using client = await dialH2(server.port);
  const req = new HttpReq("CONNECT", "", "db:5432", 20, [], Body.empty, PEER, 0);
  req.upgrade = "";
  const rsp = await client.request(req);
  const source = new HandFed();
  const reader = new Slow();
  reader.open = true;
  rsp.tunnel!.send(source.body);
  rsp.tunnel!.incoming.to(reader);
  source.body.push(Buffer.from("a"));
  await settle();
  assert.equal(Buffer.concat(reader.chunks).toString(), "<a>");
  source.body.push(Buffer.from("b"));
  source.body.finish();
  await reader.over;
  assert.equal(Buffer.concat(reader.chunks).toString(), "<a><b>");
  assert.equal(client.load, 0);
});

test("an extended CONNECT is an Upgrade (RFC 8441)", async () => {
  await using server = await listenH2(async (req) => {
    assert.deepEqual([req.method, req.path, req.upgrade], ["GET", "/chat", "websocket"]);
    const rsp = new HttpRsp(101, [], Body.empty, 20);
    rsp.tunnel = { incoming: Body.of("hi"), send: (outgoing) => outgoing.discard() };
    return rsp;
  });
  await using client = await dialH2(server.port);
  await client.request(request("OPTIONS", "*")).catch(() => {});
  const req = request("GET", "/chat");
  req.upgrade = "websocket";
  const rsp = await client.request(req);
  assert.equal(rsp.status, 101);
  assert.equal(await text(rsp.tunnel!.incoming), "hi");
});

test("fields of HTTP/1 messages are cleaned, those of HTTP/2 pass", async () => {
  let seen: HttpReq | undefined;
  await using server = await listenH2(async (req) => {
    seen = req;
    return new HttpRsp(200, ["X-Up", "1", "Connection", "X-Hop", "X-Hop", "2"], Body.empty, 11);
  });
  await using client = await dialH2(server.port);
  const headers = [
    "Host",
    "h",
    "Accept",
    "*/*",
    "Keep-Alive",
    "5",
    "TE",
    "trailers, deflate",
    "Upgrade",
    "x",
  ];
  const rsp = await client.request(new HttpReq("GET", "/", "h", 11, headers, Body.empty, PEER, 0));
  assert.deepEqual(seen!.headers, ["accept", "*/*", "te", "trailers"]);
  assert.deepEqual(rsp.headers, ["x-up", "1"]);
});

test("never-indexed marks survive the hop", async () => {
  let seen: HttpReq | undefined;
  await using server = await listenH2(async (req) => {
    seen = req;
    return ok();
  });
  await using client = await dialH2(server.port);
  const req = request("GET", "/", Body.empty, ["token", "t"]);
  req.neverIndexed = ["token"];
  for (let i = 0; i < 3; i++) await client.request(req);
  assert.deepEqual(seen!.neverIndexed, ["token"]);
});

test("heads larger than a frame pass in CONTINUATION frames; larger than the limit get 431", async () => {
  await using server = await listenH2(async (req) => ok("", req.headers));
  await using client = await dialH2(server.port);
  const large = ["x-large", "x".repeat(40_000)];
  assert.deepEqual((await client.request(request("GET", "/", Body.empty, large))).headers, large);
  const tooLarge = ["x-large", "x".repeat(70_000)];
  assert.equal((await client.request(request("GET", "/", Body.empty, tooLarge))).status, 431);
  assert.deepEqual((await client.request(request("GET", "/", Body.empty, large))).headers, large);
});

test("responses to HEAD, 204 and 304 have no content, whatever the service says", async () => {
  const source = new HandFed();
  await using server = await listenH2(async (req) => {
    if (req.method === "HEAD") return ok(source.body, ["content-length", "5"]);
    return new HttpRsp(Number(req.path.slice(1)), [], Body.of("content"), 20);
  });
  await using client = await dialH2(server.port);
  const head = await client.request(request("HEAD", "/"));
  assert.deepEqual([head.headers, head.body.isEmpty], [["content-length", "5"], true]);
  for (const path of ["/204", "/304"]) {
    assert.ok((await client.request(request("GET", path))).body.isEmpty);
  }
  assert.equal(source.resumes, 1, "its origin may go on");
});

test("a response that cannot be written ends its connection, not the program", async () => {
  await using server = await listenH2(async () => ok("", ["x", undefined as unknown as string]));
  await using client = await dialH2(server.port);
  assert.equal((await faultOf(client.request(request("GET", "/")))).code, "io");
  await client.done;
});

// --- Node's http2 as an independent peer.

async function nodeServer(
  onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): Promise<{ port: number } & AsyncDisposable> {
  const server = http2.createServer();
  const sessions = new Set<http2.ServerHttp2Session>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", onStream);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("our client with Node's server: echo of 3 MB, trailers, reset, refusal", async () => {
  await using server = await nodeServer((stream, headers) => {
    stream.on("error", () => {});
    if (headers[":path"] === "/reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    stream.respond({ ":status": 200, "x-echo": headers["x-a"] }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "1" }));
    stream.pipe(stream);
  });
  await using client = await dialH2(server.port);
  const bytes = Buffer.alloc(3_000_000, "abcdef");
  const rsp = await client.request(request("POST", "/", Body.of(bytes), ["x-a", "b"]));
  assert.equal(header(rsp.headers, "x-echo"), "b");
  assert.equal(await text(rsp.body), bytes.toString());
  assert.deepEqual(rsp.body.ended!.trailers, ["x-end", "1"]);
  const fault = await faultOf(client.request(request("GET", "/reset")));
  assert.deepEqual([fault.code, fault.detail], ["reset", H2.INTERNAL_ERROR]);
});

test("our server with Node's client: echo of 3 MB, trailers, reset", async () => {
  let cancelled: Fault | undefined;
  await using server = await listenH2(async (req) => {
    if (req.path === "/hang") {
      req.onCancel = (fault) => (cancelled = fault);
      return new Promise(() => {});
    }
    return ok(req.body, ["x-path", req.path]);
  });
  const session = http2.connect(`http://127.0.0.1:${server.port}`);
  const stream = session.request({ ":method": "POST", ":path": "/up" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-end": "2" }));
  const bytes = Buffer.alloc(3_000_000, "abcdef");
  stream.end(bytes);
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on("trailers", (got) => (trailers = got));
  const [headers] = (await once(stream, "response")) as [http2.IncomingHttpHeaders];
  assert.equal(headers["x-path"], "/up");
  assert.ok(Buffer.concat(await stream.toArray()).equals(bytes));
  assert.equal(trailers["x-end"], "2");
  const hanging = session.request({ ":path": "/hang" });
  hanging.on("error", () => {});
  await settle();
  hanging.close(http2.constants.NGHTTP2_CANCEL);
  while (cancelled === undefined) await settle(1);
  assert.equal(cancelled.detail, H2.CANCEL);
  session.close();
  await server.servers[0]!.done;
});
