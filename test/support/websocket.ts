// WebSocket by hand (RFC 6455): frames as clients and servers send them, and a server that sends each one back.

import { createHash, randomBytes } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** A frame as clients send it. */
export function masked(opcode: number, payload: Buffer, fin = true): Buffer {
  const mask = randomBytes(4);
  const hidden = Buffer.from(payload.map((byte, i) => byte ^ mask[i & 3]!));
  return Buffer.concat([headOf(opcode, payload.length, fin, 0x80), mask, hidden]);
}

/** A frame as servers send it. */
export function unmasked(opcode: number, payload: Buffer, fin = true): Buffer {
  return Buffer.concat([headOf(opcode, payload.length, fin, 0), payload]);
}

function headOf(opcode: number, length: number, fin: boolean, mask: number): Buffer {
  const first = opcode | (fin ? 0x80 : 0);
  if (length < 126) return Buffer.from([first, mask | length]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = first;
  head[1] = mask | (length < 65_536 ? 126 : 127);
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return head;
}

/** The answer to a `Sec-WebSocket-Key` (RFC 6455 §4.2.2). */
export function acceptOf(key: string): string {
  return createHash("sha1")
    .update(key + GUID)
    .digest("base64");
}

/** Sends every frame back unmasked, pings as pongs, and answers a close with the same. */
export async function echoServer({ host, port }: { host: string; port: number }): Promise<Server> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    let bytes: Buffer = Buffer.alloc(0);
    let opened = false;
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.end());
    socket.on("data", (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n\r\n");
      if (!opened && end >= 0) {
        const head = bytes.toString("latin1", 0, end);
        bytes = bytes.subarray(end + 4);
        opened = greet(socket, head, server);
      }
      if (opened) bytes = echoFrames(socket, bytes);
    });
  });
  await new Promise<void>((done) => server.listen(port, host, done));
  return server;
}

function greet(socket: Socket, head: string, server: Server): boolean {
  const path = head.split(" ")[1]!;
  const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1];
  if (path === "/refuse" || key === undefined || !/^upgrade: *websocket\r?$/im.test(head)) {
    socket.write("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    return false;
  }
  const protocol = /^sec-websocket-protocol: *([^,\r]+)/im.exec(head)?.[1];
  const more = protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
  const hello = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n${more}\r\n`;
  const frames = {
    "/ws?greet": unmasked(1, Buffer.from("hello")),
    "/ws?close": unmasked(8, Buffer.from([3, 233])),
  }[path];
  socket.write(Buffer.concat([Buffer.from(hello), frames ?? Buffer.alloc(0)]));
  if (path === "/ws?close") socket.end();
  if (path === "/ws?watch") socket.on("close", () => server.emit("cut"));
  return true;
}

function echoFrames(socket: Socket, bytes: Buffer): Buffer {
  for (;;) {
    if (bytes.length < 2) return bytes;
    const short = bytes[1]! & 0x7f;
    const at = short < 126 ? 2 : short === 126 ? 4 : 10;
    if (bytes.length < at + 4) return bytes;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(2)
          : Number(bytes.readBigUInt64BE(2));
    if (bytes.length < at + 4 + length) return bytes;
    const mask = bytes.subarray(at, at + 4);
    const payload = Buffer.from(
      bytes.subarray(at + 4, at + 4 + length).map((byte, i) => byte ^ mask[i & 3]!),
    );
    const opcode = bytes[0]! & 15;
    socket.write(unmasked(opcode === 9 ? 10 : opcode, payload, (bytes[0]! & 0x80) !== 0));
    if (opcode === 8) socket.end();
    bytes = bytes.subarray(at + 4 + length);
  }
}
