// Plain TCP load, as a program of its own: `serve IP PORT` echoes, or sinks what begins with an S; `echo IP PORT SECONDS
// CONNECTIONS` sends messages of 100 bytes to and fro, `pour IP PORT SECONDS 1` sends as much as it can.
// It prints {"units": messages or megabytes, "errors": 0, "seconds": …}.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const [role, ...args] = process.argv.slice(2);
const MESSAGE = Buffer.alloc(100, "m");
const CHUNK = Buffer.alloc(256 * 1024, "S");
const MEGABYTE = 1_000_000;

if (role === "serve") serve(args[0]!, Number(args[1]));
else
  await load(
    role === "pour",
    args[0]!,
    Number(args[1]),
    Number(args[2]) * 1_000,
    Number(args[3] ?? 1),
  );

function serve(host: string, port: number): void {
  createServer({ noDelay: true }, (socket) => {
    let sinks: boolean | undefined;
    socket.on("error", () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      sinks ??= chunk[0] === 0x53;
      if (!sinks) socket.write(chunk);
    });
  }).listen(port, host, 4096);
}

async function load(
  pours: boolean,
  host: string,
  port: number,
  ms: number,
  count: number,
): Promise<void> {
  const first = await dial(host, port);
  // All others at once would be more than may wait for what the first one makes the proxy find out.
  if (!pours) await answered(first);
  const others = Array.from({ length: count - 1 }, () => dial(host, port));
  const sockets = [first, ...(await Promise.all(others))];
  const started = performance.now();
  let units = 0;
  for (const socket of sockets) {
    if (pours) pour(socket);
    else echo(socket);
  }
  setTimeout(() => {
    const seconds = (performance.now() - started) / 1_000;
    if (pours)
      units =
        sockets.reduce((sum, socket) => sum + socket.bytesWritten - socket.writableLength, 0) /
        MEGABYTE;
    console.log(JSON.stringify({ units, errors: 0, seconds }));
    process.exit(0);
  }, ms);

  function echo(socket: Socket): void {
    let missing = MESSAGE.length;
    socket.on("data", (chunk: Buffer) => {
      missing -= chunk.length;
      if (missing > 0) return;
      missing = MESSAGE.length;
      units++;
      socket.write(MESSAGE);
    });
    socket.write(MESSAGE);
  }
}

function pour(socket: Socket): void {
  const fill = (): void => {
    while (socket.write(CHUNK));
  };
  socket.on("drain", fill);
  fill();
}

function answered(socket: Socket): Promise<unknown> {
  socket.write(MESSAGE);
  return once(socket, "data");
}

function dial(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true }, () => resolve(socket));
    socket.once("error", reject);
    socket.once("close", () => {
      console.error(`${host}:${port} closed a connection`);
      process.exit(1);
    });
  });
}
