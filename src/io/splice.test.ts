// Splicing on real sockets: bytes, half-close, back-pressure, and a side that breaks.

import assert from "node:assert/strict";
import { createServer, connect, type Socket } from "node:net";
import { once } from "node:events";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { dial } from "./dial.ts";
import { listen } from "./listen.ts";
import { splice, type SpliceEnd } from "./splice.ts";

const local = { ip: "127.0.0.1", port: 0 };

/** A forwarder in front of `serve`; gives its port and the end of the first splice. */
async function forwarder(serve: (socket: Socket) => void) {
  const backend = createServer({ allowHalfOpen: true }, serve).listen(0, "127.0.0.1");
  await once(backend, "listening");
  const { port } = backend.address() as { port: number };
  let ended!: (end: SpliceEnd) => void;
  const end = new Promise<SpliceEnd>((resolve) => (ended = resolve));
  const front = await listen(local, {}, (conn) => {
    void dial({ ip: "127.0.0.1", port }, { clock: systemClock, timeoutMs: 1000 }).then(
      async (upstream) => ended(await splice(conn, upstream)),
    );
  });
  const close = (): void => {
    front.close();
    backend.close();
  };
  return { port: front.addr.port, end, close };
}

test("a client that ends its side still gets the answer", async () => {
  const { port, end, close } = await forwarder((socket) => {
    let text = "";
    socket.on("data", (chunk) => (text += chunk.toString()));
    socket.on("end", () => socket.end(`got ${text}`));
  });
  const client = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  client.end("all there is");
  const chunks: Buffer[] = [];
  for await (const chunk of client) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "got all there is");
  assert.deepEqual(await end, { forward: 12, backward: 16, fault: undefined, broken: undefined });
  close();
});

test("bulk passes whole in both directions, and a slow reader stops its writer", async () => {
  // More than all the buffers that the kernel gives four sockets.
  const size = 128 * 1024 * 1024;
  const { port, end, close } = await forwarder((socket) => socket.pipe(socket));
  const client = connect({ port, host: "127.0.0.1" });
  const block = Buffer.alloc(1 << 20, "x");
  let sent = 0;
  const write = (): void => {
    while (sent < size) {
      sent += block.length;
      if (!client.write(block)) return void client.once("drain", write);
    }
    client.end();
  };
  write();
  let got = 0;
  // Nothing is read at first: the writer must come to a halt long before it has sent everything.
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.ok(sent < size, "the writer was not held back");
  for await (const chunk of client) got += (chunk as Buffer).length;
  assert.equal(got, size);
  assert.equal((await end).backward, size);
  close();
});

test("a broken upstream is not an orderly end for the client", async () => {
  const { port, end, close } = await forwarder((socket) => {
    socket.write("some", () => setTimeout(() => socket.resetAndDestroy(), 50));
  });
  const client = connect({ port, host: "127.0.0.1" });
  client.on("data", () => {});
  const [error] = (await once(client, "error")) as [NodeJS.ErrnoException];
  assert.equal(error.code, "ECONNRESET");
  assert.equal((await end).broken, "upstream");
  close();
});
