// Detection on real sockets: the verdict, its time, and that no byte is lost on the way to whoever comes next.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { turns } from "../../test/support/h1.ts";
import { type Clock, systemClock, VirtualClock } from "../base/clock.ts";
import type { Conn } from "./conn.ts";
import { Detection, detect } from "./detect.ts";
import { listen } from "./listen.ts";

/** A client's socket and our end of its connection. */
async function pair(t: { after(fn: () => void): void }): Promise<[Socket, Conn]> {
  let accepted!: (conn: Conn) => void;
  const accept = new Promise<Conn>((resolve) => (accepted = resolve));
  const listening = await listen({ ip: "127.0.0.1", port: 0 }, {}, accepted);
  const client = connect({ port: listening.addr.port, host: "127.0.0.1", noDelay: true });
  await once(client, "connect");
  const conn = await accept;
  t.after(() => {
    client.destroy();
    conn.destroy();
    listening.close();
  });
  return [client, conn];
}

/** Everything that `conn` brings, beginning with `first`, until its peer ends. */
function restOf(conn: Conn, first: Buffer): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    conn.start(
      {
        read: (chunk) => (text += chunk.toString("latin1")),
        end: () => resolve(text),
        closed: () => {},
        drained: () => {},
      },
      first,
    );
  });
}

test("the verdict comes with the first byte that allows it, and the bytes go on", async (t) => {
  const cases = [
    ["http/1", "GET /x HTTP/1.1\r\nHost: h\r\n\r\n"],
    ["http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0"],
    ["tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["opaque", "SSH-2.0-OpenSSH\r\n"],
    ["opaque", "\x00\x00\x00\x2e"],
  ] as const;
  for (const [protocol, text] of cases) {
    const [client, conn] = await pair(t);
    const detected = detect(conn, 1000, systemClock);
    for (const char of text) {
      client.write(char, "latin1");
      await turns(1);
    }
    const { protocol: found, first, timedOut } = await detected;
    assert.deepEqual([found, timedOut], [protocol, false]);
    // What comes while nobody reads is kept as well.
    client.end("more");
    await turns();
    assert.equal(await restOf(conn, first), `${text}more`);
  }
});

test("silence is opaque in the end, and so is half a word", async (t) => {
  for (const said of ["", "GE"]) {
    const clock = new VirtualClock();
    const [client, conn] = await pair(t);
    const detected = detect(conn, 1000, clock);
    client.write(said);
    await turns();
    clock.advance(1000);
    const { protocol, first, timedOut } = await detected;
    assert.deepEqual([protocol, first.toString(), timedOut], ["opaque", said, true]);
  }
});

test("a client that ends or goes away settles it", async (t) => {
  const clock: Clock = new VirtualClock();
  const outcome = async (leave: (client: Socket) => void): Promise<string> => {
    const [client, conn] = await pair(t);
    const detected = detect(conn, 1000, clock);
    leave(client);
    return (await detected).protocol;
  };
  assert.equal(await outcome((client) => client.end()), "closed");
  assert.equal(await outcome((client) => client.end("GE")), "opaque");
  assert.equal(await outcome((client) => void client.resetAndDestroy()), "closed");
});

test("a server that speaks first settles it", async (t) => {
  const [client, conn] = await pair(t);
  const detection = new Detection(conn, 1000, new VirtualClock());
  detection.settle("opaque");
  const { protocol, timedOut } = await detection.result;
  assert.deepEqual([protocol, timedOut], ["opaque", false]);
  client.end("hello");
  assert.equal(await restOf(conn, Buffer.alloc(0)), "hello");
});
