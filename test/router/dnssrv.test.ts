// Services from SRV records, asked of a real DNS server on loopback.

import assert from "node:assert/strict";
import dgram from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { backend, eventually, run, send } from "./run.ts";

const SRV = 33;

/** A DNS server that answers SRV questions by `ports`, each on localhost; all other names do not exist. */
async function dns(t: TestContext, ports: Map<string, readonly number[]>): Promise<number> {
  const socket = dgram.createSocket("udp4");
  socket.on("message", (question, from) => {
    const { name, end } = readName(question);
    const known = question.readUInt16BE(end) === SRV ? ports.get(name) : undefined;
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(known === undefined ? 0x8183 : 0x8180, 2);
    header.writeUInt16BE(known?.length ?? 0, 6);
    header.writeUInt32BE(0, 8);
    const answers = (known ?? []).map(record);
    socket.send(
      Buffer.concat([header, question.subarray(12, end + 4), ...answers]),
      from.port,
      from.address,
    );
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return (socket.address() as AddressInfo).port;
}

function readName(message: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let at = 12;
  while (message[at] !== 0) {
    labels.push(message.toString("latin1", at + 1, at + 1 + message[at]!));
    at += 1 + message[at]!;
  }
  return { name: labels.join("."), end: at + 1 };
}

// The name of the question, SRV, IN, a TTL, then priority, weight, port and `localhost`.
function record(port: number): Buffer {
  const target = Buffer.from("\x09localhost\0", "latin1");
  const fields = Buffer.alloc(18);
  fields.writeUInt16BE(0xc00c, 0);
  fields.writeUInt16BE(SRV, 2);
  fields.writeUInt16BE(1, 4);
  fields.writeUInt16BE(6 + target.length, 10);
  fields.writeUInt16BE(port, 16);
  return Buffer.concat([fields, target]);
}

test("names are SRV records, which may change, and may not exist", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const ports = new Map([["web.test", [a.port]]]);
  const server = await dns(t, ports);
  const at = await run(
    t,
    `
namers: [{kind: io.l5d.dnssrv, experimental: true, refreshIntervalSeconds: 1, dnsHosts: ["127.0.0.1:${server}"]}]
routers: [{protocol: http, dtab: "/svc => /#/io.l5d.dnssrv", servers: [{port: 0, ip: 127.0.0.1}]}]
`,
  );
  const ask = (host: string) => send(at.port(), "/", { host });
  assert.equal((await ask("web.test")).body, "a");
  assert.match((await ask("none.test")).body, /^Unable to route request!/);
  ports.set("web.test", [b.port]);
  await eventually(async () => (await ask("web.test")).body === "b");
});
