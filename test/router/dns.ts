// A DNS server on loopback that knows SRV records.

import dgram from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

const SRV = 33;

/** Answers SRV questions by `ports`, each on localhost; all other names do not exist. Resolves to its port. */
export async function dns(t: TestContext, ports: Map<string, readonly number[]>): Promise<number> {
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
