// Proxies whose control plane says anything, and a control plane whose clients ask anything: both go on, and serve again
// as soon as the other side is in order.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage } from "@bufbuild/protobuf";
import { Fault } from "../../src/base/fault.ts";
import { Body } from "../../src/io/body.ts";
import type { H2Client } from "../../src/io/h2client.ts";
import { HttpReq } from "../../src/io/message.ts";
import { type RunningProxy, startProxy } from "../../src/proxy/start.ts";
import { envelope, GRPC } from "../../src/wire/grpc.ts";
import { header } from "../../src/wire/headers.ts";
import { RawClient } from "../conformance/raw.ts";
import { type ControlPlane, startControlPlane } from "../support/controlplane.ts";
import { PEER } from "../support/h2.ts";
import { podYaml } from "../support/world.ts";
import { anyBytes } from "./anymessage.ts";
import { fuzz } from "./fuzz.ts";
import { WORLD } from "./hostileworld.ts";
import { dial, METHODS, Tampering } from "./tampering.ts";

const net = `127.95.${process.pid & 255}`;
const [GOOD, HOSTILE, CLIENT, SERVER] = [1, 2, 3, 4].map((n) => `${net}.${n}`) as [
  string,
  string,
  string,
  string,
];
const PORT = 8086;
const AT = { host: CLIENT, port: 5080 };
const closing: (() => unknown)[] = [];
let control: ControlPlane;
let tampering: Tampering;

before(async () => {
  const folder = mkdtempSync(join(tmpdir(), "fuzz-hostile-"));
  closing.push(() => rmSync(folder, { recursive: true }));
  const yaml = [
    WORLD.replaceAll("127.95.0.1", SERVER).replaceAll("127.95.0.2", `${net}.5`),
    podYaml("client", CLIENT, { labels: "app: client" }),
  ];
  control = await startControlPlane(yaml.join("\n---\n"), { ip: GOOD, port: PORT, folder });
  closing.push(() => control.stop());
  tampering = await Tampering.listen(HOSTILE, GOOD, [PORT, PORT + 1, PORT + 2]);
  closing.push(() => tampering.close());
  const server = createServer((_, rsp) => rsp.end("hello"));
  await new Promise<void>((done) => server.listen(8080, SERVER, done));
  closing.push(() => server.close().closeAllConnections());
  const proxies = [
    proxy("web-1", SERVER, {}),
    proxy("client", CLIENT, {
      LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: `${AT.host}:${AT.port}`,
      LINKERD_PROXY_OUTBOUND_ORIGINALS: `${AT.host}:${AT.port}=10.96.0.1:80`,
    }),
  ];
  for (const each of proxies) await (await each).ready;
});
after(async () => {
  for (const close of closing.reverse()) await close();
});

test("without tampering, a request is answered", () => served());

fuzz(
  "proxies of a hostile control plane go on",
  [],
  async (_, random) => {
    for (let n = random.below(4); n >= 0; n--) tampering.spoil(random);
    const client = new RawClient(AT);
    client.write("GET /a HTTP/1.1\r\nHost: web\r\nX-A: b\r\nConnection: close\r\n\r\n");
    await client.until((text) => text.includes("\r\n\r\n"), 50);
    client.destroy();
  },
  () => Buffer.alloc(0),
);

test("when the control plane is in order again, so are its proxies", async () => {
  tampering.restore();
  await served();
});

for (const [path, { input, methodKind }] of METHODS) {
  fuzz(
    `the control plane is asked anything by ${path}`,
    [],
    async (bytes) => {
      const client = await upstream(path);
      const body = Body.of(envelope(bytes));
      const headers = ["te", "trailers", "content-type", "application/grpc"];
      const req = new HttpReq("POST", path, "control", 20, headers, body, PEER, 0);
      const rsp = await client.request(req);
      const isStream =
        methodKind === "server_streaming" && header(rsp.headers, "grpc-status") === undefined;
      // A stream that was accepted goes on for as long as it is listened to.
      if (isStream) return rsp.body.cancel(new Fault("cancelled", "that is enough"));
      await rsp.body.read(1 << 20, () => new Fault("protocol", "too much"));
      const status = Number(
        header(rsp.headers, "grpc-status") ?? header(rsp.body.ended?.trailers ?? [], "grpc-status"),
      );
      assert.ok(
        status !== GRPC.UNKNOWN && status !== GRPC.INTERNAL,
        `${status} ${header(rsp.headers, "grpc-message")}`,
      );
    },
    (_, random) => anyBytes(input as DescMessage, [], random),
  );
}

test("and then it still answers", () => served());

async function proxy(pod: string, ip: string, more: Record<string, string>): Promise<RunningProxy> {
  const env = control.env({ pod, serviceAccount: "web" });
  const hostile = Object.entries(env).map(([name, value]) => [
    name,
    name.endsWith("_SVC_ADDR") ? value.replace(GOOD, HOSTILE) : value,
  ]);
  const running = await startProxy({
    ...Object.fromEntries(hostile),
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:4143`,
    LINKERD2_PROXY_CONTROL_LISTEN_ADDR: `${ip}:4190`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD: "100ms",
    LINKERD2_PROXY_LOG: "off",
    LINKERD_PROXY_INBOUND_ORIGINAL_IP: ip,
    ...more,
  });
  closing.push(() => running.drain());
  return running;
}

/** One good request is answered well, if not at once. */
async function served(): Promise<void> {
  let text = "";
  for (let n = 0; n < 200 && !text.startsWith("HTTP/1.1 200 "); n++) {
    const client = new RawClient(AT);
    client.write("GET /a HTTP/1.1\r\nHost: web\r\nX-A: b\r\nConnection: close\r\n\r\n");
    ({ text } = await client.until(() => false, 1_000));
    client.destroy();
    await sleep(50);
  }
  assert.match(text, /^HTTP\/1\.1 200 [^]*hello$/);
}

const clients: Record<number, H2Client> = {};

/** A connection to the good control plane for a method. */
async function upstream(path: string): Promise<H2Client> {
  const port = path.includes("Identity")
    ? PORT + 2
    : path.includes("destination")
      ? PORT
      : PORT + 1;
  const client = clients[port];
  if (client !== undefined && client.fault === undefined && !client.draining) return client;
  return (clients[port] = await dial(GOOD, port));
}
