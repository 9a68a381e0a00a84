// Requests that are almost right, sent through a hop of ours to Node's HTTP server: whatever we let pass, it must read
// as the same requests as we do. Bodies hold a request of their own, which must never be taken for one.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { listenH1 } from "../../test/support/h1.ts";
import { PEER } from "../../test/support/h2.ts";
import { systemClock } from "../base/clock.ts";
import { Conn } from "./conn.ts";
import { H1Pool } from "./pool.ts";

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
const HEX = SMUGGLED.length.toString(16);

/** Well-formed requests whose bodies look like requests. */
const templates = [
  `POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
  `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${HEX}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
  `POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n${HEX};x=y\r\n${SMUGGLED}\r\n0\r\nX-T: 1\r\n\r\n`,
  `POST /a HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
];

/** What attackers put in the wrong place. */
const inserted = fc.oneof(
  fc.constantFrom(
    "\r\n",
    "\n",
    "\r",
    " ",
    "\t",
    "\0",
    "\x0b",
    ":",
    ",",
    "+",
    "0",
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "content-length : 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:\tchunked\r\n",
    "Transfer_Encoding: chunked\r\n",
    "Connection: content-length\r\n",
    "Connection: transfer-encoding\r\n",
    "Connection: close\r\n",
    "Upgrade: websocket\r\nConnection: upgrade\r\n",
    "Expect: 100-continue\r\n",
    " folded\r\n",
    "0\r\n\r\n",
  ),
  fc.string({ minLength: 1, maxLength: 2, unit: "binary-ascii" }),
);

// A client may go away in the middle; and Node knows a fixed list of methods.
const HARMLESS = ["HPE_INVALID_EOF_STATE", "ECONNRESET", "HPE_INVALID_METHOD"];

const afterMethod = (text: string, at: number): number => 5 + (at % (text.length - 5));

let backend: http.Server;
let front: Awaited<ReturnType<typeof listenH1>>;
let pool: H1Pool;
/** What our server took for requests, and what the one behind it did, so far. */
let dispatched = 0;
const seen: string[] = [];

before(async () => {
  backend = http.createServer({ keepAliveTimeout: 60_000 }, (req, rsp) => {
    seen.push(req.url!);
    req.resume().on("end", () => rsp.end("ok"));
  });
  backend.on("upgrade", (req, socket) => {
    seen.push(req.url!);
    socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  backend.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (!HARMLESS.includes(error.code!)) seen.push(`${error.code}`);
    socket.destroy();
  });
  backend.listen(0, "127.0.0.1");
  await once(backend, "listening");
  const { port } = backend.address() as net.AddressInfo;
  pool = new H1Pool(
    async () => {
      const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true });
      await once(socket, "connect");
      return new Conn(socket, PEER);
    },
    { clock: systemClock },
  );
  front = await listenH1((req) => {
    dispatched += 1;
    return pool.service(req);
  });
});

after(async () => {
  pool.close();
  await front[Symbol.asyncDispose]();
  backend.closeAllConnections();
  backend.close();
});

/** Sends `text`, ends, and waits for the end of what comes back. */
async function send(text: string): Promise<string> {
  const socket = net.connect({ port: front.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => {});
  socket.end(text, "latin1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (part: string) => (answer += part));
  await new Promise((resolve) => socket.on("close", resolve));
  return answer;
}

test("the templates pass as they are", async () => {
  for (const template of templates) {
    seen.length = dispatched = 0;
    const answer = await send(`${template}GET /last HTTP/1.1\r\nHost: h\r\n\r\n`);
    assert.match(answer, /^HTTP\/1\.1 200 .*HTTP\/1\.1 200 /s);
    assert.deepEqual(seen, ["/a", "/last"]);
  }
});

test("whatever is put into them, the server sees no other requests than we do", async () => {
  const edits = fc.array(fc.tuple(fc.nat(200), inserted), { minLength: 1, maxLength: 2 });
  const cut = fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 3 }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...templates),
      edits,
      cut,
      async (template, all, [from, size]) => {
        let text = template;
        for (const [at, piece] of all) {
          const place = afterMethod(text, at);
          text = text.slice(0, place) + piece + text.slice(place);
        }
        const place = afterMethod(text, from);
        text = text.slice(0, place) + text.slice(place + size);
        await send(text);
        // All in all, since what a client no longer waits for may be seen late.
        assert.ok(seen.length <= dispatched, `${seen.slice(-3).join(" ")}: one more than ours`);
        for (const path of seen) assert.doesNotMatch(path, /^HPE_/, "malformed for the server");
      },
    ),
    { numRuns: 1500 },
  );
});
