// What an API server does that no cluster of ours would: it stays silent, or answers late.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import { KubeApi } from "./kubeapi.ts";
import type { KubeAccess } from "./kubeconfig.ts";

const accessTo = (port: number): KubeAccess => ({
  server: `http://127.0.0.1:${port}`,
  ca: undefined,
  cert: undefined,
  key: undefined,
  serverName: undefined,
  insecure: false,
  authorization: async () => undefined,
  namespace: "default",
  as: undefined,
  asGroups: [],
});

test("a request that is under way ends after the last has gone", async (t) => {
  const server = createServer((socket) => {
    socket.once("data", () => {
      setImmediate(() => {
        api.close();
        socket.end(
          "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
        );
      });
    });
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const api = new KubeApi(accessTo((server.address() as AddressInfo).port));
  assert.deepEqual(await api.request("/api/v1/nodes"), {});
});

test("streams end with the client, so that its process can", { timeout: 5000 }, async (t) => {
  const server = createServer((socket) => {
    socket.on("error", () => {}).resume();
    socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{}\n\r\n");
  });
  t.after(() => server.close());
  await once(server.listen(0, "127.0.0.1"), "listening");
  const api = new KubeApi(accessTo((server.address() as AddressInfo).port));
  const connected = once(server, "connection") as Promise<[Socket]>;
  await new Promise<void>((line) => {
    api.stream("/api/v1/pods?watch=1", { line: () => line(), end: () => {} });
  });
  const [socket] = await connected;
  api.close();
  await once(socket, "close");
});

test("a watch that is never answered ends, so that another may begin", async (t) => {
  const server = createServer((socket) => void socket.on("error", () => {}));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const clock = new VirtualClock();
  const { port } = server.address() as AddressInfo;
  const api = new KubeApi(accessTo(port), clock);
  t.after(() => {
    api.close();
    server.close();
  });
  const connected = once(server, "connection");
  const { promise, resolve } = Promise.withResolvers<Fault>();
  api.stream("/api/v1/pods?watch=1", { line: () => {}, end: resolve });
  await connected;
  clock.advance(600_000);
  assert.equal((await promise).code, "unavailable");
});
