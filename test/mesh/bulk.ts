// Much of everything through two sidecars in processes of their own: bytes, connections, slowness. Written once, for
// the small sizes of `npm test` and the full ones of `npm run test:chaos`.

import assert from "node:assert/strict";
import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { HOME, pause, processOf, rssMb, until, upMesh } from "./mesh.ts";

export type Sizes = {
  readonly bytes: number;
  readonly connections: number;
  /** Where the service is published; each file its own. */
  readonly port: number;
};

/** What a sidecar may have in memory while any amount of bytes passes. */
const MOST_MB = 200;
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: bulk, namespace: bulk}
spec:
  selector: {matchLabels: {app: bulk}}
  template:
    metadata: {labels: {app: bulk}}
    spec:
      containers:
        - name: bulk
          command: [node, ${join(HOME, "test/mesh/bulkserver.ts")}]
          env: [{name: PORT, value: "8080"}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: bulk, namespace: bulk}
spec: {selector: {app: bulk}, ports: [{port: 80, targetPort: http}]}
`;

/** Declares the tests. */
export function testBulk({ bytes, connections, port }: Sizes): void {
  const mb = Math.round(bytes / 1e6);
  test(`bulk: ${mb} MB each way, ${connections} connections`, { timeout: 900_000 }, async (t) => {
    const { url, pods } = await upMesh(t, MANIFEST, `--publish=bulk/bulk=${port}`);
    const base = await url("bulk/bulk");
    const at = Number(new URL(base).port);
    const sidecars = await Promise.all(
      ["ingress", "bulk"].map(async (name) => processOf((await pods(name))[0]!, "sidecar")),
    );
    const seen = async () =>
      (await (await fetch(`${base}/seen`)).json()) as {
        written: number;
        complete: number;
        aborted: number;
      };

    await t.test("a download in constant memory", async (sub) => {
      await inConstantMemory(sub, sidecars, bytes, async () => {
        const rsp = await answer(at, "GET", `/down?bytes=${bytes}`);
        let got = 0;
        for await (const chunk of rsp) got += (chunk as Buffer).length;
        assert.equal(got, bytes);
      });
    });

    await t.test("an upload in constant memory", async (sub) => {
      await inConstantMemory(sub, sidecars, bytes, async () => {
        assert.equal(await upload(at, bytes), String(bytes));
      });
    });

    await t.test("a slow reader stops its writer", async (sub) => {
      const socket = await ask(at, `GET /down?bytes=${10e9} HTTP/1.1\r\nhost: bulk\r\n\r\n`);
      socket.pause();
      let last = -1;
      await until(async () => {
        const { written } = await seen();
        await pause(300);
        const isStill = written > 0 && written === last;
        last = written;
        return isStill;
      });
      sub.diagnostic(`${Math.round(last / 1e6)} MB were under way`);
      assert.ok(last < 64e6, `${last} bytes were written to nobody`);
      socket.destroy();
    });

    await t.test("headers of 1 MB are refused", async () => {
      const head = `GET / HTTP/1.1\r\nhost: bulk\r\nx-big: ${"x".repeat(1 << 20)}\r\n\r\n`;
      const socket = await ask(at, head);
      const [chunk] = (await once(socket, "data")) as [Buffer];
      assert.match(chunk.toString(), /^HTTP\/1\.1 431 /);
      socket.destroy();
    });

    await t.test("a client that dies in the middle of a body is no complete request", async () => {
      const before = await seen();
      for (const head of ["content-length: 1000000", "transfer-encoding: chunked"]) {
        const body = head.startsWith("t") ? "5\r\nhello\r\n" : "hello";
        const socket = await ask(at, `POST /up HTTP/1.1\r\nhost: bulk\r\n${head}\r\n\r\n${body}`);
        await pause(200);
        socket.resetAndDestroy();
      }
      await until(async () => (await seen()).aborted === before.aborted + 2);
      assert.equal((await seen()).complete, before.complete);
    });

    await t.test(`${connections} connections at once`, async (sub) => {
      const sockets: Socket[] = [];
      sub.after(() => sockets.forEach((socket) => socket.destroy()));
      const GET = "GET /seen HTTP/1.1\r\nhost: bulk\r\n\r\n";
      const began = performance.now();
      while (sockets.length < connections) {
        const some = Array.from({ length: Math.min(200, connections - sockets.length) });
        sockets.push(...(await Promise.all(some.map(() => ask(at, GET)))));
        await Promise.all(sockets.slice(-some.length).map(isAnswered));
      }
      // All of them are still good.
      const again = sockets.map(isAnswered);
      for (const socket of sockets) socket.write(GET);
      await Promise.all(again);
      const [outbound, inbound] = sidecars.map((pid) => Math.round(rssMb(pid)));
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      sub.diagnostic(`${seconds} s; RSS ${outbound} MB outbound, ${inbound} MB inbound`);
    });

    assert.deepEqual(
      await Promise.all(
        ["ingress", "bulk"].map(async (name) => processOf((await pods(name))[0]!, "sidecar")),
      ),
      sidecars,
      "no sidecar was restarted",
    );
  });
}

async function inConstantMemory(
  t: TestContext,
  sidecars: readonly number[],
  bytes: number,
  work: () => Promise<void>,
): Promise<void> {
  let most = 0;
  const sampling = setInterval(() => (most = Math.max(most, ...sidecars.map(rssMb))), 50);
  const began = performance.now();
  await work().finally(() => clearInterval(sampling));
  const rate = Math.round(bytes / 1e3 / (performance.now() - began));
  t.diagnostic(`${rate} MB/s, at most ${Math.round(most)} MB of RSS`);
  assert.ok(most < MOST_MB, `${Math.round(most)} MB`);
}

function answer(port: number, method: string, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, method, path }, resolve).on("error", reject).end();
  });
}

async function upload(port: number, bytes: number): Promise<string> {
  const headers = { "content-length": bytes };
  const req = request({ host: "127.0.0.1", port, method: "POST", path: "/up", headers });
  const answered = once(req, "response") as Promise<[IncomingMessage]>;
  const chunk = Buffer.alloc(256 * 1024);
  for (let sent = 0; sent < bytes; sent += chunk.length) {
    if (!req.write(chunk.subarray(0, bytes - sent))) await once(req, "drain");
  }
  req.end();
  const [rsp] = await answered;
  return (await rsp.setEncoding("utf8").toArray()).join("");
}

/** A connection on which `text` has been sent. */
async function ask(port: number, text: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => {}).write(text);
  return socket;
}

async function isAnswered(socket: Socket): Promise<void> {
  const [chunk] = (await once(socket, "data")) as [Buffer];
  assert.match(chunk.toString(), /^HTTP\/1\.1 200 /);
}
