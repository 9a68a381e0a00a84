// Requests of HTTP/2 that the server's sidecar turns into HTTP/1 for the application, as another proxy of the mesh asks
// it to: no field, length or target that HTTP/2 can carry may become something else in HTTP/1.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { dialInbound } from "./fronts.ts";
import { H2Raw } from "./h2raw.ts";
import { type Expect } from "./requests.ts";
import { valuesOf } from "./strict.ts";
import { CLIENT, startWays, type Ways } from "./ways.ts";

type Case = readonly [
  name: string,
  fields: readonly string[],
  body?: string,
  trailers?: readonly string[],
];

const head = (it: Record<string, string> = {}): string[] =>
  Object.entries({
    ":method": "POST",
    ":scheme": "http",
    ":path": "/it",
    ":authority": "h",
    ...it,
  }).flat();
const plus = (...fields: string[]): string[] => [...head(), ...fields];
const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";

// oxfmt-ignore
const REJECT: readonly Case[] = [
  ["a length of nothing, then bytes", plus("content-length", "0"), SMUGGLED],
  ["a length that is too short", plus("content-length", "3"), `abc${SMUGGLED}`],
  ["a length that is too long", plus("content-length", "50"), "abc"],
  ["a length without a body", plus("content-length", "3")],
  ["two lengths", plus("content-length", "3", "content-length", "4"), "abc"],
  ["two equal lengths", plus("content-length", "3", "content-length", "3"), "abc"],
  ["two lengths in one", plus("content-length", "3, 3"), "abc"],
  ["a signed length", plus("content-length", "+3"), "abc"],
  ["a hexadecimal length", plus("content-length", "0x3"), "abc"],
  ["a length of 2⁶⁴ + 3", plus("content-length", "18446744073709551619"), "abc"],
  ["an empty length", plus("content-length", ""), "abc"],
  ["transfer-encoding: chunked", plus("transfer-encoding", "chunked"), `0\r\n\r\n${SMUGGLED}`],
  ["transfer-encoding: identity", plus("transfer-encoding", "identity")],
  ["transfer-encoding and a length", plus("transfer-encoding", "chunked", "content-length", "3"), "abc"],
  ["Transfer-Encoding in capitals", plus("Transfer-Encoding", "chunked"), "0\r\n\r\n"],
  ["connection", plus("connection", "close")],
  ["connection: upgrade", plus("connection", "upgrade", "upgrade", "websocket")],
  ["upgrade", plus("upgrade", "h2c")],
  ["keep-alive", plus("keep-alive", "timeout=5")],
  ["proxy-connection", plus("proxy-connection", "keep-alive")],
  ["te that is not trailers", plus("te", "gzip")],
  ["CR LF in a value", plus("x", "a\r\nTransfer-Encoding: chunked")],
  ["LF in a value", plus("x", "a\nTransfer-Encoding: chunked")],
  ["CR in a value", plus("x", "a\rb")],
  ["NUL in a value", plus("x", "a\0b")],
  ["a control in a value", plus("x", "a\x01b")],
  ["DEL in a value", plus("x", "a\x7Fb")],
  ["a look-alike of transfer-encoding", plus("transfer_encoding", "chunked")],
  ["a look-alike of content-length", plus("content_length", "3"), "abc"],
  ["a request in a value", plus("x", `a\r\n\r\n${SMUGGLED}`)],
  ["a blank at the start of a value", plus("x", " a")],
  ["a blank at the end of a value", plus("x", "a\t")],
  ["CR LF in a name", plus("x: y\r\ntransfer-encoding", "chunked")],
  ["a colon in a name", plus("x:y", "z")],
  ["a blank in a name", plus("x y", "z")],
  ["a name that ends in a blank", plus("transfer-encoding ", "chunked")],
  ["an empty name", plus("", "z")],
  ["a capital in a name", plus("X", "z")],
  ["NUL in a name", plus("x\0", "z")],
  ["a name beyond ASCII", plus("x\xE9", "z")],
  ["a path with a blank", head({ ":path": "/it HTTP/1.1" })],
  ["a path with CR LF", head({ ":path": "/it HTTP/1.1\r\nX: y" })],
  ["a path with a request", head({ ":path": `/it HTTP/1.1\r\nHost: h\r\n\r\n${SMUGGLED}` })],
  ["a path with a tab", head({ ":path": "/a\tb" })],
  ["a path with NUL", head({ ":path": "/a\0b" })],
  ["a path beyond ASCII", head({ ":path": "/\xFF" })],
  ["an empty path", head({ ":path": "" })],
  ["a path without slash", head({ ":path": "it" })],
  ["a URI as path", head({ ":path": "http://evil/it" })],
  ["* for a POST", head({ ":path": "*" })],
  ["a method with a blank", head({ ":method": "GET /smuggled HTTP/1.1" })],
  ["a method with CR LF", head({ ":method": "GET / HTTP/1.1\r\nHost: h\r\n\r\nGET" })],
  ["an empty method", head({ ":method": "" })],
  ["a method with a colon", head({ ":method": "G:ET" })],
  ["an authority with a blank", head({ ":authority": "h i" })],
  ["an authority with CR LF", head({ ":authority": "h\r\nX: y" })],
  ["an authority with user information", head({ ":authority": "u@h" })],
  ["an authority with a path", head({ ":authority": "h/it" })],
  ["an authority with a comma", head({ ":authority": "a,b" })],
  ["another host than the authority", plus("host", "evil")],
  ["two hosts", [...head({ ":authority": "" }).slice(0, 6), "host", "a", "host", "b"]],
  ["a host with CR LF", [...head().slice(0, 6), "host", "h\r\nX: y"]],
  ["a scheme with a blank", head({ ":scheme": "ht tp" })],
  ["a scheme with CR LF", head({ ":scheme": "http\r\nX: y" })],
  ["a scheme with a host", head({ ":scheme": "http://evil/?" })],
  ["no method", head().slice(2)],
  ["no path", [...head().slice(0, 4), ...head().slice(6)]],
  ["no scheme", [...head().slice(0, 2), ...head().slice(4)]],
  ["two methods", plus(":method", "GET")],
  ["two paths", [":path", "/evil", ...head()]],
  ["two authorities", [":authority", "evil", ...head()]],
  ["an unknown pseudo-field", [":evil", "x", ...head()]],
  ["a pseudo-field of responses", [":status", "200", ...head()]],
  ["a pseudo-field behind a field", ["x", "y", ...head()]],
  ["a trailer with a length", head(), "abc", ["content-length", "5"]],
  ["a trailer with transfer-encoding", head(), "abc", ["transfer-encoding", "chunked"]],
  ["a trailer with CR LF", head(), "abc", ["x", `y\r\n\r\n${SMUGGLED}`]],
  ["a trailer with a pseudo-field", head(), "abc", [":path", "/evil"]],
  ["a trailer with connection", head(), "abc", ["connection", "close"]],
  ["a trailer with a capital", head(), "abc", ["X", "y"]],
  ["CONNECT with a path", head({ ":method": "CONNECT" })],
];

// oxfmt-ignore
const EITHER: readonly Case[] = [
  ["an authority and the same host", plus("host", "h")],
  ["only a host", [...head().slice(0, 6), "host", "h"]],
  ["neither authority nor host", head().slice(0, 6)],
  ["a path with a fragment", head({ ":path": "/it#f" })],
  ["a path with a backslash", head({ ":path": "/a\\b" })],
  ["two slashes", head({ ":path": "//evil/it" })],
  ["zeros in front of a length", plus("content-length", "003"), "abc"],
  ["a trailer with host", head(), "abc", ["host", "evil"]],
  ["another scheme", head({ ":scheme": "https" })],
  ["a scheme that is unknown", head({ ":scheme": "ftp" })],
  ["CONNECT", [":method", "CONNECT", ":authority", "h:80"]],
  ["WebSocket by CONNECT", [":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/it", ":authority", "h"]],
  ["expect", plus("expect", "100-continue"), "abc"],
  ["te: trailers", plus("te", "trailers")],
  ["a value beyond ASCII", plus("x", "\xE9")],
];

// oxfmt-ignore
const FORWARD: readonly Case[] = [
  ["nothing but a head", head()],
  ["a body without length", head(), "abc"],
  ["a body with its length", plus("content-length", "3"), "abc"],
  ["a length of nothing", plus("content-length", "0")],
  ["a body that looks like a request", head(), SMUGGLED],
  ["a body that looks like chunks", head(), `0\r\n\r\n${SMUGGLED}`],
  ["trailers", head(), "abc", ["x-sum", "900"]],
  ["an empty value", plus("x", "")],
  ["OPTIONS *", head({ ":method": "OPTIONS", ":path": "*" })],
];

const ORIGINALS = [undefined, "HTTP/1.1", "HTTP/1.0", "HTTP/1.1; absolute-form", "HTTP/9 evil"];

let ways: Ways;
before(async () => {
  ways = await startWays();
});
after(() => ways.stop());

for (const original of ORIGINALS.slice(1)) {
  describe(`l5d-orig-proto: ${original}`, () => {
    const groups: [Expect, readonly Case[]][] = [
      ["reject", REJECT],
      ["either", EITHER],
      ["forward", FORWARD],
    ];
    for (const [expect, cases] of groups)
      for (const it of cases) test(it[0], () => run(it, expect, original!));
  });
}

test("cookies in many fields become one", async () => {
  await run(["cookies", plus("cookie", "a=b", "cookie", "c=d")], "forward", "HTTP/1.1");
  assert.deepEqual(valuesOf(ways.recorder.messages[0]!.fields, "cookie"), ["a=b; c=d"]);
});

test("the application is told the identity of the certificate and no other", async () => {
  await run(["spoof", plus("l5d-client-id", "admin")], "forward", "HTTP/1.1");
  assert.deepEqual(valuesOf(ways.recorder.messages[0]!.fields, "l5d-client-id"), [CLIENT]);
});

async function run(
  [, fields, body, trailers]: Case,
  expect: Expect,
  original: string,
): Promise<void> {
  const { recorder } = ways;
  const client = new H2Raw(await dialInbound(ways, "http/2"));
  try {
    recorder.reset();
    await send(client, 1, [...fields, "l5d-orig-proto", original], body, trailers);
    const status = await client.status(1);
    const sent = `sent on: ${JSON.stringify(recorder.raw.slice(0, 500))}`;
    assert.deepEqual(recorder.flaws, [], sent);
    assert.ok(!recorder.messages.some(({ target }) => target.includes("smuggled")), sent);
    if (expect === "reject") {
      assert.equal(recorder.messages.length, 0, sent);
      assert.ok(status === undefined || (status >= 400 && status < 500), `answered ${status}`);
    } else if (expect === "forward") {
      assert.equal(status, 200);
      assert.equal(recorder.messages.length, 1, sent);
      assert.equal(recorder.messages[0]!.body.toString("latin1"), body ?? "");
    } else assert.ok(recorder.messages.length <= 1, sent);
  } finally {
    client.destroy();
  }
  await probe();
}

async function send(
  client: H2Raw,
  id: number,
  fields: readonly string[],
  body?: string,
  trailers?: readonly string[],
): Promise<void> {
  client.head(id, fields, body === undefined);
  if (body === undefined) return;
  client.data(id, body, trailers === undefined);
  if (trailers !== undefined) client.head(id, trailers);
}

/** A good request gets its own answer. */
async function probe(): Promise<void> {
  const client = new H2Raw(await dialInbound(ways, "http/2"));
  const path = `/probe-${ways.next()}`;
  client.head(1, [...head({ ":path": path, ":method": "GET" }), "l5d-orig-proto", "HTTP/1.1"]);
  assert.equal(await client.status(1), 200);
  assert.equal(client.bodies.get(1), `GET ${path} 0`);
  client.destroy();
}
