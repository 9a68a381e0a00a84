// HTTP/2 over real sockets: our server and client with each other, and each with Node's http2 as an independent peer.

import assert from "node:assert/strict";
import { once } from "node:events";
import http2 from "node:http2";
import type net from "node:net";
import { test } from "node:test";
import {
  dialH2,
  faultOf,
  HandFed,
  listenH2,
  ok,
  request,
  settle,
  Slow,
  text,
} from "../../test/support/h2.ts";
import { Fault } from "../base/fault.ts";
import { H2 } from "../wire/h2error.ts";
import { header } from "../wire/headers.ts";
import { Body } from "./body.ts";
import type { HttpReq } from "./message.ts";

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
