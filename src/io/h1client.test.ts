// Our HTTP/1 client over real sockets, with a server that a test plays by hand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, exchange, OK, RawServer, turns } from "../../test/support/h1.ts";
import { faultOf, HandFed, Slow, text } from "../../test/support/h2.ts";
import { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import { Body } from "./body.ts";
import type { HttpReq } from "./message.ts";

test("requests on the wire", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const sends = async (req: HttpReq, expected: string): Promise<void> => {
    const rsp = client.request(req);
    const wire = await peer.until(expected.slice(-5));
    peer.send(OK);
    await text((await rsp).body);
    assert.equal(wire, expected);
  };
  const get = "GET /p HTTP/1.1\r\nHost: auth:1\r\n";
  await sends(ask("GET"), `${get}\r\n`);
  await sends(
    ask("GET", ["Accept", "*/*", "HOST", "old", "X", "1"]),
    "GET /p HTTP/1.1\r\nAccept: */*\r\nHOST: auth:1\r\nX: 1\r\n\r\n",
  );
  await sends(ask("GET", ["te", "trailers"]), `${get}te: trailers\r\nconnection: te\r\n\r\n`);
  await sends(ask("POST"), "POST /p HTTP/1.1\r\nHost: auth:1\r\ncontent-length: 0\r\n\r\n");
  await sends(
    ask("POST", ["Content-Length", "9"], Body.of("three")),
    "POST /p HTTP/1.1\r\nHost: auth:1\r\nContent-Length: 5\r\n\r\nthree",
  );
  await sends(
    ask("POST", ["content-length", "3"], Body.of("abc", ["x-sum", "3"])),
    "POST /p HTTP/1.1\r\nHost: auth:1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 3\r\n\r\n",
  );
  const absolute = ask("GET");
  absolute.absolute = true;
  absolute.scheme = "http";
  await sends(absolute, "GET http://auth:1/p HTTP/1.1\r\nHost: auth:1\r\n\r\n");
  const star = ask("OPTIONS");
  star.path = "*";
  await sends(star, "OPTIONS * HTTP/1.1\r\nHost: auth:1\r\n\r\n");
  assert.equal(server.connections, 1);
});

test("responses: by length, by chunks, until close, without body", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const get = async (method: string, answer: string): Promise<[number, Headers, string]> => {
    const pending = client.request(ask(method));
    await peer.until("\r\n\r\n");
    peer.send(answer);
    const rsp = await pending;
    return [rsp.status, rsp.headers, await text(rsp.body)];
  };
  assert.deepEqual(await get("GET", OK), [200, ["Content-Length", "2"], "ok"]);
  assert.deepEqual(
    await get(
      "GET",
      "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
    ),
    [200, ["X", "y"], "abc"],
  );
  assert.deepEqual(await get("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), [
    200,
    ["Content-Length", "99"],
    "",
  ]);
  assert.deepEqual(await get("GET", "HTTP/1.1 204 No\r\n\r\n"), [204, [], ""]);
  assert.deepEqual(await get("GET", "HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n"), [
    304,
    ["Content-Length", "9"],
    "",
  ]);
  assert.ok(client.ready);
  const last = get("GET", "HTTP/1.0 200 OK\r\n\r\nall ");
  await turns();
  peer.send("the rest");
  peer.socket.end();
  assert.deepEqual(await last, [200, [], "all the rest"]);
  await client.done;
  assert.equal(client.ready, false);
});

test("a response in pieces, byte by byte, with trailers", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const pending = client.request(ask("GET"));
  await peer.until("\r\n\r\n");
  const answer =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n";
  for (const char of answer) {
    peer.send(char);
    await turns(1);
  }
  const slow = new Slow();
  slow.open = true;
  (await pending).body.to(slow);
  await slow.over;
  assert.equal(Buffer.concat(slow.chunks).toString(), "abc");
  assert.deepEqual(slow.trailers, ["X-Sum", "3"]);
  assert.ok(client.ready);
});

test("informational responses are passed on", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const req = ask("GET");
  const seen: unknown[] = [];
  req.inform = (status, headers) => seen.push([status, headers]);
  const pending = client.request(req);
  await peer.until("\r\n\r\n");
  peer.send("HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 100 Go\r\n\r\n");
  await turns();
  peer.send(OK);
  assert.equal((await pending).status, 200);
  assert.deepEqual(seen, [
    [103, ["Link", "a"]],
    [100, []],
  ]);
  const endless = client.request(ask("GET"));
  await peer.until("\r\n\r\n");
  peer.send("HTTP/1.1 103 Early\r\n\r\n".repeat(101));
  assert.equal((await faultOf(endless)).code, "bad-response");
});

test("a connection that the server gives up is not used again", async () => {
  for (const answer of [
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    `${OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    "HTTP/1.1 204 No\r\n\r\nbody",
  ]) {
    await using server = await RawServer.listen();
    const [client, peer] = await server.client();
    const pending = client.request(ask("GET"));
    await peer.until("\r\n\r\n");
    peer.send(answer);
    await pending;
    await client.done;
    const fault = await faultOf(client.request(ask("GET")));
    assert.deepEqual([fault.code, fault.retryable], ["closed", true]);
  }
});

test("bytes that belong to no response close the connection", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  await exchange(client, peer);
  peer.send(OK);
  await client.done;
});

test("a connection lost before the answer: safe requests on a used one may go again", async () => {
  const cases: [used: boolean, method: string, before: string, retryable: boolean][] = [
    [true, "GET", "", true],
    [true, "PUT", "", true],
    [true, "POST", "", false],
    [false, "GET", "", false],
    [true, "GET", "HTTP/1.1 20", false],
  ];
  for (const [used, method, before, retryable] of cases) {
    await using server = await RawServer.listen();
    const [client, peer] = await server.client();
    if (used) await exchange(client, peer);
    const fault = faultOf(client.request(ask(method)));
    await peer.until("\r\n\r\n");
    peer.send(before);
    await turns();
    peer.socket.end();
    const { code, side, retryable: again } = await fault;
    assert.deepEqual(
      [code, side, again],
      ["io", "upstream", retryable],
      `${used} ${method} ${before}`,
    );
  }
});

test("what is no response is a fault, and closes", async () => {
  for (const answer of [
    "SSH-2.0-x\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
  ]) {
    await using server = await RawServer.listen();
    const [client, peer] = await server.client();
    const fault = faultOf(client.request(ask("GET")));
    await peer.until("\r\n\r\n");
    peer.send(answer);
    assert.deepEqual(
      [(await fault).code, (await fault).side],
      ["bad-response", "upstream"],
      answer,
    );
    await client.done;
  }
});

test("a response cut short aborts its body", async () => {
  for (const head of ["Content-Length: 10", "Transfer-Encoding: chunked"]) {
    await using server = await RawServer.listen();
    const [client, peer] = await server.client();
    const pending = client.request(ask("GET"));
    await peer.until("\r\n\r\n");
    peer.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\nab`);
    const slow = new Slow();
    slow.open = true;
    (await pending).body.to(slow);
    peer.socket.end();
    await slow.over;
    assert.equal(slow.fault?.code, "io");
  }
  // Without length the end of the connection is the end of the message, unless it broke.
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const pending = client.request(ask("GET"));
  await peer.until("\r\n\r\n");
  peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
  const slow = new Slow();
  slow.open = true;
  (await pending).body.to(slow);
  peer.socket.resetAndDestroy();
  await slow.over;
  assert.equal(slow.fault?.code, "io");
});

test("an early answer: the rest of the request is sent when the server keeps the connection", async () => {
  await using server = await RawServer.listen();
  {
    const [client, peer] = await server.client();
    const upload = new HandFed(6);
    const pending = client.request(ask("POST", [], upload.body));
    upload.body.push(Buffer.from("abc"));
    await peer.until("abc");
    peer.send(OK);
    assert.equal(await text((await pending).body), "ok");
    assert.equal(client.ready, false, "its request is not over");
    upload.body.push(Buffer.from("def"));
    upload.body.finish();
    await peer.until("def");
    assert.ok(client.ready);
    await exchange(client, peer);
  }
  {
    const [client, peer] = await server.client();
    const upload = new HandFed(6);
    const pending = client.request(ask("POST", [], upload.body));
    upload.body.push(Buffer.from("abc"));
    await peer.until("abc");
    peer.send("HTTP/1.1 413 Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert.equal((await pending).status, 413);
    await client.done;
    assert.equal(upload.cancelled?.code, "io");
  }
});

test("a cancelled request, and a body that fails, close the connection", async () => {
  await using server = await RawServer.listen();
  const gone = new Fault("cancelled", "the client is gone", { side: "client" });
  {
    const [client, peer] = await server.client();
    const req = ask("GET");
    const fault = faultOf(client.request(req));
    await peer.until("\r\n\r\n");
    req.cancel(gone);
    assert.equal(await fault, gone);
    assert.equal(await peer.gone(), "ECONNRESET");
  }
  {
    const [client, peer] = await server.client();
    const pending = client.request(ask("GET"));
    await peer.until("\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    const { body } = await pending;
    body.cancel(gone);
    assert.equal(await peer.gone(), "ECONNRESET");
  }
  {
    const [client, peer] = await server.client();
    const upload = new HandFed();
    const fault = faultOf(client.request(ask("POST", [], upload.body)));
    upload.body.push(Buffer.from("abc"));
    await peer.until("abc");
    upload.body.abort(gone);
    assert.equal(await fault, gone);
    assert.equal(await peer.gone(), "ECONNRESET");
    assert.doesNotMatch(peer.text, /\r\n0\r\n/);
  }
});

test("tunnels: after 101 and after 2xx to CONNECT", async () => {
  await using server = await RawServer.listen();
  for (const method of ["GET", "CONNECT"]) {
    const [client, peer] = await server.client();
    const upgrade = method === "GET";
    const req = ask(method, upgrade ? ["Upgrade", "websocket"] : []);
    req.upgrade = upgrade ? "websocket" : "";
    const pending = client.request(req);
    const head = await peer.until("\r\n\r\n");
    if (upgrade)
      assert.match(head, /\r\nUpgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-key: /);
    else assert.equal(head, "CONNECT auth:1 HTTP/1.1\r\nHost: auth:1\r\n\r\n");
    const switched = "HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    peer.send(`${upgrade ? switched : "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"}down`);
    const { tunnel, headers } = await pending;
    assert.deepEqual(headers, upgrade ? ["Upgrade", "websocket"] : ["Content-Length", "9"]);
    const up = new HandFed();
    tunnel!.send(up.body);
    up.body.push(Buffer.from("up"));
    await peer.until("up");
    // The server ends its side; ours goes on.
    peer.socket.end();
    assert.equal(await text(tunnel!.incoming), "down");
    up.body.push(Buffer.from("after"));
    up.body.finish();
    assert.equal(await peer.rest(), "after");
    await client.done;
    assert.equal(client.ready, false);
  }
});

test("a refused upgrade is an ordinary response", async () => {
  await using server = await RawServer.listen();
  const [client, peer] = await server.client();
  const req = ask("GET", ["Upgrade", "x"]);
  req.upgrade = "x";
  const pending = client.request(req);
  await peer.until("\r\n\r\n");
  peer.send(OK);
  const rsp = await pending;
  assert.equal(rsp.tunnel, undefined);
  assert.equal(await text(rsp.body), "ok");
  assert.ok(client.ready);
});
