// Everything of running proxies that somebody may connect to, under spoilt bytes: the admin pages, taps, detection, the
// direct connections of other proxies, WebSocket between them. Each conversation comes to an end, what bytes are only
// passed on arrive as they were, and the proxies neither break nor stop serving.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { ObserveRequestSchema, Tap } from "../../proto/gen/tap_pb.js";
import { Fault } from "../../src/base/fault.ts";
import type { Random } from "../../src/base/random.ts";
import { Body } from "../../src/io/body.ts";
import { HttpReq } from "../../src/io/message.ts";
import { envelope } from "../../src/wire/grpc.ts";
import { encodeTransportHeader } from "../../src/wire/transportheader.ts";
import { dialProxy } from "../conformance/fronts.ts";
import { type At, RawClient } from "../conformance/raw.ts";
import { startWays, type Ways } from "../conformance/ways.ts";
import { PEER } from "../support/h2.ts";
import { echoServer, masked } from "../support/websocket.ts";
import { anyBytes } from "./anymessage.ts";
import { fuzz } from "./fuzz.ts";
import { clientConversations, pieces, requests } from "./mutate.ts";
import { dial } from "./tampering.ts";

const texts = (...all: string[]): Buffer[] => all.map((text) => Buffer.from(text, "latin1"));
const ADMIN = 4191;
const TAP = 4190;
const PAGES = [
  "/ready",
  "/live",
  "/metrics",
  "/env.json",
  "/state.json",
  "/proxy-log-level",
  "/shutdown",
  "/__proto__",
  "/toString",
  "*",
  "/",
];
const HELLO =
  "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/** Enough of them to begin with: each is a conversation. */
const some = requests.filter((_, i) => i % 16 === 0);

let ways: Ways;
const servers: Server[] = [];
before(async () => {
  ways = await startWays({
    LINKERD2_PROXY_LOG: "error",
    // A busy machine is no failure: its applications accept late.
    LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT: "10s",
    LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "10s",
    LINKERD2_PROXY_TAP_SVC_NAME: "tap.linkerd-viz.serviceaccount.identity.linkerd.cluster.local",
  });
  await ways.recorder.close();
  for (const way of ["outbound", "pair"] as const)
    servers.push(await echoServer(ways.end(way, "http1")));
  const echo = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  const { host, port } = ways.end("pair", "opaque");
  echo.listen(port, host);
  await once(echo, "listening");
  servers.push(echo);
});
after(async () => {
  for (const server of servers) server.close();
  await ways.stop();
});

const pages = PAGES.flatMap((path) =>
  ["GET", "PUT", "HEAD", "OPTIONS"].map(
    (method) => `${method} ${path} HTTP/1.1\r\nHost: h\r\n\r\n`,
  ),
);
fuzz(
  "admin pages",
  [...texts(...pages.filter((page) => !page.includes("PUT"))), ...some],
  async (input, random) => {
    // What ends the proxy, or has it log everything, is no subject here.
    if (/shutdown|log-level/.test(input.toString("latin1"))) return;
    const text = await answerTo({ host: client(), port: ADMIN }, input, random);
    assert.doesNotMatch(text, /^HTTP\/1\.1 500/);
  },
);

fuzz("taps: bytes", clientConversations(), async (input, random) => {
  await answerTo({ host: client(), port: TAP }, input, random);
});

fuzz(
  "taps: anything may be asked for",
  [],
  async (bytes) => {
    const tap = await dial(client(), TAP);
    const headers = ["te", "trailers", "content-type", "application/grpc"];
    const path = `/${Tap.typeName}/Observe`;
    const req = new HttpReq("POST", path, "tap", 20, headers, Body.of(envelope(bytes)), PEER, 0);
    const rsp = await tap.request(req);
    assert.equal(rsp.status, 200);
    rsp.body.cancel(new Fault("cancelled", "that is enough"));
    tap.close();
    await tap.done;
  },
  (_, random) => anyBytes(ObserveRequestSchema, [], random),
);

// As load balancers announce their clients, as databases greet, and as what is almost HTTP or TLS begins.
const openings = texts(
  "PROXY TCP4 192.0.2.1 192.0.2.2 5000 80\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
  "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x02\x13\x88\0\x50",
  "*1\r\n$4\r\nPING\r\n",
  "\0\0\0\x08\x04\xd2\x16\x2f",
  "\x16\x03\x01\0\x05\x01",
  "PRI * HTTP/2.0\r\n\r\nSM",
  "GET /",
);
fuzz("opaque bytes arrive as they are", [...openings, ...some], async (input, random) => {
  const text = await answerTo(ways.at("pair", "opaque"), input, random);
  assert.equal(text, input.toString("latin1"));
});

fuzz("what is no protocol that we know comes to an end", openings, async (input, random) => {
  await answerTo(ways.at("pair", "detect"), input, random);
});

const header = (protocol: "http/1" | "http/2" | undefined, name = ""): Buffer =>
  encodeTransportHeader({ port: 8082, name, protocol });
const direct = [
  Buffer.concat([header(undefined), Buffer.from("opaque bytes \r\n\r\n")]),
  Buffer.concat([header("http/1"), some[0]!]),
  ...clientConversations().map((each) => Buffer.concat([header("http/2"), each])),
  Buffer.concat([header(undefined, "web.ns.svc.cluster.local:80"), Buffer.from("bytes")]),
];
fuzz("direct connections of other proxies", direct, async (input, random) => {
  await closed(await dialProxy(ways, Buffer.alloc(0)), random, input);
});

const websocket = [
  masked(1, Buffer.from("text")),
  masked(2, Buffer.alloc(300)),
  masked(8, Buffer.from([3, 232])),
];
const upgrades = [Buffer.from(HELLO), Buffer.concat([Buffer.from(HELLO), ...websocket])];
for (const way of ["outbound", "pair"] as const)
  fuzz(`upgrades, ${way}`, upgrades, async (input, random) => {
    await answerTo(ways.at(way, "http1"), input, random);
  });

test("and then they still serve, and have met no bug", async () => {
  const { client: near, server: far } = ways.proxies;
  for (const way of ["outbound", "pair"] as const) {
    const raw = new RawClient(ways.at(way, "http1"));
    raw.write(HELLO);
    await raw.until((text) => text.includes("\r\n\r\n"));
    assert.match(raw.text, /^HTTP\/1\.1 101 /);
    raw.destroy();
  }
  assert.ok(near.running && far.running);
  assert.equal(near.output, "");
  assert.equal(far.output, "");
});

function client(): string {
  return ways.at("outbound", "http1").host;
}

/** What came back for `input`, sent in pieces and then ended, until the other side closed. */
async function answerTo(at: At, input: Buffer, random: Random): Promise<string> {
  const socket = connect({ ...at, noDelay: true, allowHalfOpen: true });
  await once(socket, "connect");
  return closed(socket, random, input);
}

async function closed(socket: Socket, random: Random, input: Buffer): Promise<string> {
  let text = "";
  socket.setEncoding("latin1").on("data", (part: string) => (text += part));
  socket.on("error", () => {});
  const over = new Promise((done) => socket.once("close", done));
  for (const part of random.below(2) === 0 ? [input] : pieces(input, random)) {
    if (socket.destroyed) break;
    socket.write(part);
    await new Promise((turn) => setImmediate(turn));
  }
  socket.end();
  await over;
  return text;
}
