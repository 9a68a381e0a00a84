// WebSocket (RFC 6455) through the proxy: it is a byte tunnel after 101, so what matters is that no byte is lost, held
// back or added, whoever speaks first and however frames are cut, and that it ends when either side ends it.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import type { Server } from "node:net";
import { after, before, describe, test } from "node:test";
import { acceptOf, echoServer, masked, unmasked } from "../support/websocket.ts";
import { type At, RawClient, responses } from "./raw.ts";
import { startWays, WAYS, type Ways } from "./ways.ts";

const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const HELLO = `GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n`;

let ways: Ways;
let servers: Server[];
before(async () => {
  ways = await startWays();
  await ways.recorder.close();
  servers = await Promise.all(WAYS.map((way) => echoServer(ways.end(way, "http1"))));
});
after(async () => {
  for (const server of servers) server.close();
  await ways.stop();
});

for (const way of WAYS) {
  describe(`WebSocket, ${way}`, () => {
    const at = (): At => ways.at(way, "http1");
    const open = async (hello = HELLO): Promise<RawClient> => {
      const client = new RawClient(at());
      client.write(hello);
      await client.until((text) => text.includes("\r\n\r\n"));
      assert.match(client.text, /^HTTP\/1\.1 101 /, client.text);
      return client;
    };
    const take = (client: RawClient): Buffer =>
      Buffer.from(client.text.slice(client.text.indexOf("\r\n\r\n") + 4), "latin1");
    /** Sends a frame and waits for the same payload. */
    const echo = async (client: RawClient, opcode: number, payload: Buffer): Promise<void> => {
      const before = client.text.length;
      client.write(masked(opcode, payload));
      const expected = unmasked(opcode === 9 ? 10 : opcode, payload);
      await client.until((text) => text.length >= before + expected.length);
      assert.ok(Buffer.from(client.text.slice(before), "latin1").equals(expected));
    };

    test("the handshake passes as it is", async () => {
      const client = await open();
      assert.match(client.text, /\r\nupgrade: websocket\r\n/i);
      assert.match(client.text, /\r\nconnection: upgrade\r\n/i);
      assert.ok(client.text.includes(acceptOf(KEY)), client.text);
      client.destroy();
    });

    for (const size of [0, 1, 125, 126, 127, 65_535, 65_536, 1_000_000])
      test(`text and binary of ${size} bytes`, async () => {
        const client = await open();
        await echo(client, 1, Buffer.alloc(size, "t"));
        await echo(client, 2, randomBytes(size));
        client.destroy();
      });

    test("ping, with and without payload", async () => {
      const client = await open();
      for (const size of [0, 1, 125]) await echo(client, 9, randomBytes(size));
      client.destroy();
    });

    test("fragments with a ping between them", async () => {
      const client = await open();
      const parts = [
        masked(1, Buffer.from("a"), false),
        masked(9, Buffer.from("p")),
        masked(0, Buffer.from("b")),
      ];
      client.write(Buffer.concat(parts));
      const expected = Buffer.concat([
        unmasked(1, Buffer.from("a"), false),
        unmasked(10, Buffer.from("p")),
        unmasked(0, Buffer.from("b")),
      ]);
      await client.until(() => take(client).length >= expected.length);
      assert.ok(take(client).equals(expected));
      client.destroy();
    });

    test("a frame that arrives byte by byte", async () => {
      const client = await open();
      for (const byte of masked(1, Buffer.from("slowly"))) {
        client.write(Buffer.from([byte]));
        await new Promise((turn) => setImmediate(turn));
      }
      const expected = unmasked(1, Buffer.from("slowly"));
      await client.until(() => take(client).length >= expected.length);
      assert.ok(take(client).equals(expected));
      client.destroy();
    });

    test("frames sent before the answer to the handshake", async () => {
      const client = new RawClient(at());
      client.write(Buffer.concat([Buffer.from(HELLO), masked(1, Buffer.from("early"))]));
      const expected = unmasked(1, Buffer.from("early"));
      await client.until(
        (text) => text.includes("\r\n\r\n") && take(client).length >= expected.length,
      );
      assert.ok(take(client).equals(expected), client.text);
      client.destroy();
    });

    test("a server that speaks in the same packet as its 101", async () => {
      const client = await open(HELLO.replace("/ws", "/ws?greet"));
      await client.until(() => take(client).length >= 7);
      assert.ok(take(client).equals(unmasked(1, Buffer.from("hello"))));
      client.destroy();
    });

    test("a close that the client begins", async () => {
      const client = await open();
      const payload = Buffer.from([3, 232]);
      client.write(masked(8, payload));
      const { closed } = await client.until(() => false);
      assert.ok(take(client).equals(unmasked(8, payload)));
      assert.ok(closed);
    });

    test("a close that the server begins", async () => {
      const client = await open(HELLO.replace("/ws", "/ws?close"));
      const { closed } = await client.until(() => false);
      assert.ok(take(client).equals(unmasked(8, Buffer.from([3, 233]))));
      assert.ok(closed);
    });

    test("a connection that is cut is cut on the other side", async () => {
      const cut = new Promise<void>((resolve) => servers.forEach((it) => it.once("cut", resolve)));
      const client = await open(HELLO.replace("/ws", "/ws?watch"));
      client.destroy();
      await cut;
    });

    test("a refused handshake leaves the connection in order", async () => {
      const client = new RawClient(at());
      client.write(HELLO.replace("/ws", "/refuse"));
      await client.until((text) => responses(text, ["GET"]).length === 1);
      assert.match(client.text, /^HTTP\/1\.1 403 /);
      client.text = "";
      client.write("GET /refuse HTTP/1.1\r\nHost: h\r\n\r\n");
      await client.until((text) => responses(text, ["GET"]).length === 1);
      assert.match(client.text, /^HTTP\/1\.1 403 /);
      client.destroy();
    });

    test("subprotocol and extensions are the ends' affair", async () => {
      const client = await open(
        HELLO.replace(
          "Version: 13",
          "Version: 13\r\nSec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: x",
        ),
      );
      assert.match(client.text, /\r\nsec-websocket-protocol: chat\r\n/i);
      client.destroy();
    });

    test("the WebSocket client of Node, fifty at once", async () => {
      const { host, port } = at();
      await Promise.all(
        Array.from({ length: 50 }, async (_, n) => {
          const socket = new WebSocket(`ws://${host}:${port}/ws`);
          const said = await new Promise((resolve, reject) => {
            socket.addEventListener("open", () => socket.send(`message ${n}`));
            socket.addEventListener("message", ({ data }) => resolve(data));
            socket.addEventListener("error", () => reject(new Error("the socket failed")));
          });
          assert.equal(said, `message ${n}`);
          const closed = new Promise((done) => socket.addEventListener("close", done));
          socket.close();
          await closed;
        }),
      );
    });
  });
}
