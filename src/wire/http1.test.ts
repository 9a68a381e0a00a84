// Heads of HTTP/1: what is read of good ones, and that all others are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault, type FaultCode } from "../base/fault.ts";
import { CHUNKED, RequestParser, ResponseParser, UNTIL_CLOSE } from "./http1.ts";

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

function request(text: string): RequestParser {
  const parser = new RequestParser();
  assert.equal(parser.parse(bytes(text)), text.length, `incomplete: ${JSON.stringify(text)}`);
  return parser;
}

function response(text: string): ResponseParser {
  const parser = new ResponseParser();
  assert.equal(parser.parse(bytes(text)), text.length, `incomplete: ${JSON.stringify(text)}`);
  return parser;
}

function refuses(text: string, code: FaultCode): void {
  assert.throws(
    () => new RequestParser().parse(bytes(text)),
    (error) => error instanceof Fault && error.code === code && error.side === "client",
    `${code} expected for ${JSON.stringify(text.slice(0, 200))}`,
  );
}

const get = (fields: string, line = "GET / HTTP/1.1"): string => `${line}\r\n${fields}\r\n\r\n`;
const withHost = (fields: string): string => get(`Host: a\r\n${fields}`);

test("a request keeps its fields in order and in the sender's case", () => {
  const parser = request(
    get("Host: web:8080\r\nX-A: 1\r\nx-b:  two words \r\nX-A:\r\nX-C: caf\xe9\t!"),
  );
  assert.equal(parser.method, "GET");
  assert.equal(parser.path, "/");
  assert.equal(parser.authority, "web:8080");
  assert.equal(parser.version, 11);
  assert.deepEqual(parser.fields.headers, [
    "Host",
    "web:8080",
    "X-A",
    "1",
    "x-b",
    "two words",
    "X-A",
    "",
    "X-C",
    "caf\xe9\t!",
  ]);
  assert.equal(parser.framing, 0);
  assert.equal(parser.persistent, true);
});

test("the four forms of a target", () => {
  const target = (line: string) => {
    const { method, path, authority, scheme, fields } = request(get("Host: h", line));
    return [method, path, authority, scheme, fields.headers[1]];
  };
  assert.deepEqual(target("GET /a?b=/c HTTP/1.1"), ["GET", "/a?b=/c", "h", "", "h"]);
  assert.deepEqual(target("GET http://x:1/p?q HTTP/1.1"), ["GET", "/p?q", "x:1", "http", "x:1"]);
  assert.deepEqual(target("GET HTTPS://x HTTP/1.1"), ["GET", "/", "x", "https", "x"]);
  assert.deepEqual(target("GET http://x?q HTTP/1.1"), ["GET", "/?q", "x", "http", "x"]);
  assert.deepEqual(target("OPTIONS http://x HTTP/1.1"), ["OPTIONS", "*", "x", "http", "x"]);
  assert.deepEqual(target("OPTIONS * HTTP/1.1"), ["OPTIONS", "*", "h", "", "h"]);
  assert.deepEqual(target("CONNECT x:443 HTTP/1.1"), ["CONNECT", "", "x:443", "", "x:443"]);
});

test("one empty line before the request line is forgiven", () => {
  assert.equal(request(`\r\n${get("Host: a")}`).path, "/");
  refuses(`\r\n\r\n${get("Host: a")}`, "bad-request");
});

test("framing and persistence follow the fields", () => {
  assert.equal(request(withHost("Content-Length: 0042")).framing, 42);
  assert.equal(request(withHost("Content-Length: 0042")).fields.headers[3], "42");
  assert.equal(request(withHost("Transfer-Encoding: Chunked")).framing, CHUNKED);
  assert.equal(request(withHost("Connection: x, Close")).persistent, false);
  assert.equal(request(get("Host: a", "GET / HTTP/1.0")).persistent, false);
  assert.equal(request(get("Connection: keep-alive", "GET / HTTP/1.0")).persistent, true);
});

test("fields of the connection go no further", () => {
  const parser = request(
    withHost(
      "X-Secret: 1\r\nConnection: x-secret, Keep-Alive, host, content-length\r\nKeep-Alive: 5\r\n" +
        "TE: gzip, trailers\r\nTrailer: x-sum\r\nProxy-Connection: close\r\nUpgrade: foo\r\nX: y",
    ),
  );
  const expected = ["Host", "a", "TE", "trailers", "Trailer", "x-sum", "X", "y"];
  assert.deepEqual(parser.fields.headers, expected);
  assert.equal(parser.fields.takesTrailers, true);
  assert.equal(parser.upgrade, undefined, "Connection does not name it");
});

test("an upgrade is for HTTP/1.1 without a body, and never to h2c", () => {
  const ask = "Connection: Upgrade\r\nUpgrade: websocket";
  const parser = request(withHost(ask));
  assert.equal(parser.upgrade, "websocket");
  assert.deepEqual(parser.fields.headers, ["Host", "a", "Upgrade", "websocket"]);
  assert.equal(request(withHost(`${ask}\r\nContent-Length: 3`)).upgrade, undefined);
  assert.equal(request(get(`Host: a\r\n${ask}`, "GET / HTTP/1.0")).upgrade, undefined);
  const h2c = request(
    withHost("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x"),
  );
  assert.equal(h2c.upgrade, undefined);
  assert.deepEqual(h2c.fields.headers, ["Host", "a"]);
  assert.equal(request(get("Host: a", "CONNECT a:1 HTTP/1.1")).upgrade, "");
});

test("what two parsers could read differently is refused", () => {
  const cases: Partial<Record<FaultCode, string[]>> = {
    "bad-request": [
      withHost("Content-Length: 1\r\nTransfer-Encoding: chunked"),
      withHost("Content-Length: 1\r\nContent-Length: 1"),
      withHost("Content-Length: 1, 1"),
      withHost("Content-Length: +1"),
      withHost("Content-Length: -1"),
      withHost("Content-Length: 0x1"),
      withHost("Content-Length:"),
      withHost("Content-Length: 99999999999999999999"),
      withHost("Content_Length: 1"),
      withHost("Transfer_Encoding: chunked"),
      withHost("Transfer-Encoding: identity"),
      withHost("Transfer-Encoding: chunked, identity"),
      withHost("Transfer-Encoding: chunked, chunked"),
      withHost("Transfer-Encoding: xchunked"),
      withHost("Transfer-Encoding: \x0bchunked"),
      withHost('Transfer-Encoding: "chunked"'),
      withHost("Transfer-Encoding:"),
      withHost("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
      get("Host: a\r\nTransfer-Encoding: chunked", "POST / HTTP/1.0"),
      withHost("X: a\r\n b"),
      withHost("X: a\r\n\tb"),
      withHost("X : a"),
      withHost("X\t: a"),
      withHost(" X: a"),
      withHost(": a"),
      withHost("X"),
      withHost("X(: a"),
      withHost("X\0: a"),
      withHost("X: a\0b"),
      withHost("X: a\x7fb"),
      withHost("X: a\nY: b"),
      withHost("X: a\rY: b"),
      withHost("X\xe9: a"),
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost: a\n\n",
      "GET / HTTP/1.1\r\nHost: a\r\n\rX",
      get("X: y"),
      get("Host: a\r\nHost: a"),
      get("Host:"),
      get("Host: a, b"),
      get("Host: a b"),
      get("Host: user@a"),
      get("Host: a/b"),
      get("Host: a:b"),
      get("Host: a:"),
      get("Host: a:99999"),
      get("Host: [::1"),
      get("Host: http://a"),
      get("Host: a", "GET  / HTTP/1.1"),
      get("Host: a", "GET /  HTTP/1.1"),
      get("Host: a", "GET\t/ HTTP/1.1"),
      get("Host: a", " GET / HTTP/1.1"),
      get("Host: a", "G@T / HTTP/1.1"),
      get("Host: a", "GET / HTTP/1.1 "),
      get("Host: a", "GET /"),
      get("Host: a", "GET / http/1.1"),
      get("Host: a", "GET / HTTP/11"),
      get("Host: a", "GET / HTTP/1.1.1"),
      get("Host: a", "GET /a#b HTTP/1.1"),
      get("Host: a", "GET /\xe9 HTTP/1.1"),
      get("Host: a", "GET /a\0 HTTP/1.1"),
      get("Host: a", "GET a HTTP/1.1"),
      get("Host: a", "GET * HTTP/1.1"),
      get("Host: a", "GET ftp://a/ HTTP/1.1"),
      get("Host: a", "GET http://u@a/ HTTP/1.1"),
      get("Host: a", "GET http:///x HTTP/1.1"),
      get("Host: a", "CONNECT a HTTP/1.1"),
      get("Host: a", "CONNECT /x HTTP/1.1"),
    ],
    "bad-version": [get("Host: a", "GET / HTTP/2.0"), get("Host: a", "GET / HTTP/1.2")],
    "not-implemented": [withHost("Transfer-Encoding: gzip, chunked")],
    "uri-too-long": [
      get("Host: a", `GET /${"x".repeat(9000)} HTTP/1.1`),
      `GET /${"x".repeat(9000)}`,
    ],
    "headers-too-large": [
      withHost(`X: ${"x".repeat(70_000)}`),
      `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(70_000)}`,
      withHost(Array.from({ length: 300 }, (_, i) => `X${i}: y`).join("\r\n")),
    ],
  };
  for (const [code, texts] of Object.entries(cases)) {
    for (const text of texts) refuses(text, code as FaultCode);
  }
});

test("a head in pieces is incomplete until its last byte, and never wrong", () => {
  const text = withHost(`X-Long: ${"y".repeat(5000)}\r\nContent-Length: 3`);
  const whole = bytes(text);
  for (let size = 0; size < text.length; size++) {
    if (size > 60 && size < text.length - 60 && size % 97 !== 0) continue;
    assert.equal(new RequestParser().parse(whole.subarray(0, size)), 0, `at ${size}`);
  }
  assert.equal(new RequestParser().parse(bytes(`${text}abc`)), text.length);
});

test("the same fields again are read from memory, changed ones are not", () => {
  const parser = new RequestParser();
  const first = bytes(withHost("X: 1\r\nConnection: close"));
  parser.parse(first);
  parser.fields.headers.push("l5d-added", "by a filter");
  parser.parse(first);
  assert.deepEqual(parser.fields.headers, ["Host", "a", "X", "1"]);
  assert.equal(parser.persistent, false);
  parser.parse(bytes(withHost("X: 2\r\nContent-Length: 7")));
  assert.deepEqual(parser.fields.headers, ["Host", "a", "X", "2", "Content-Length", "7"]);
  assert.equal(parser.framing, 7);
  assert.equal(parser.persistent, true);
});

test("responses: status, framing, persistence", () => {
  const ok = response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
  assert.deepEqual([ok.status, ok.version, ok.framing("GET"), ok.persistent], [200, 11, 3, true]);
  assert.equal(ok.framing("HEAD"), 0);
  assert.equal(ok.framing("CONNECT"), 0);
  const close = response("HTTP/1.0 200\r\n\r\n");
  assert.deepEqual([close.framing("GET"), close.persistent], [UNTIL_CLOSE, false]);
  const chunked = response("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
  assert.equal(chunked.framing("GET"), CHUNKED);
  for (const status of [100, 101, 103, 204, 304]) {
    assert.equal(response(`HTTP/1.1 ${status} X\r\nContent-Length: 3\r\n\r\n`).framing("GET"), 0);
  }
  const switched = response("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
  assert.deepEqual(switched.fields.headers, ["Upgrade", "websocket"]);
  const advert = response("HTTP/1.1 200 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n");
  assert.deepEqual(advert.fields.headers, []);
});

test("bad responses are refused, with the server to blame", () => {
  for (const text of [
    "HTTP/2 200 OK\r\n\r\n",
    "HTTP/1.2 200 OK\r\n\r\n",
    "HTTP/1.1  200 OK\r\n\r\n",
    "HTTP/1.1 20 OK\r\n\r\n",
    "HTTP/1.1 099 OK\r\n\r\n",
    "HTTP/1.1 2000 OK\r\n\r\n",
    "HTTP/1.1 200 O\0K\r\n\r\n",
    "HTTP/1.1 200 OK\n\n",
    "SSH-2.0-OpenSSH_9.2\r\n",
    "220 smtp\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
    `HTTP/1.1 200 OK\r\nX: ${"x".repeat(70_000)}`,
    `HTTP/1.1 200 ${"x".repeat(70_000)}`,
  ]) {
    assert.throws(
      () => new ResponseParser().parse(bytes(text)),
      (error) =>
        error instanceof Fault && error.code === "bad-response" && error.side === "upstream",
      JSON.stringify(text.slice(0, 100)),
    );
  }
});

test("whatever arrives is a head, incomplete or a fault", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "GET ",
      "/",
      " HTTP/1.1",
      "\r\n",
      "Host: a",
      ": ",
      "\n",
      " ",
      "\r",
      "\0",
      "X:y",
    ),
    fc.string({ maxLength: 5 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const text = bytes(pieces.join(""));
      for (const parser of [new RequestParser(), new ResponseParser()]) {
        try {
          const size = parser.parse(text);
          assert.ok(size >= 0 && size <= text.length);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
        }
      }
    }),
    { numRuns: 2000 },
  );
});
