// The small programs of a pod beside its proxy: `pause`, which does nothing, `await`, which ends when the proxy is ready
// (so that a container may wait for it), and `network-validator`, which finds out whether the CNI plugin has redirected connections.

import { randomBytes } from "node:crypto";
import { connect, createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { nodeHttp } from "../platform/nodehttp.ts";
import { parseGoDuration } from "../platform/quantity.ts";

const RETRY_MS = 200;
/** What the CNI's repair controller looks for: this pod must be made anew. */
export const NOT_REDIRECTED = 95;

/** Ends with 0 when the proxy of this pod is ready, with 69 (EX_UNAVAILABLE) when that took too long. */
export async function runAwait(words: readonly string[]): Promise<number> {
  const options = {
    timeout: { type: "string", default: "2m" },
    port: { type: "string", default: "4191" },
  } as const;
  const { values } = parseArgs({ args: [...words], options });
  const deadline = systemClock.now() + durationOf("--timeout", values.timeout);
  while (systemClock.now() < deadline) {
    if (await isReady(Number(values.port))) return 0;
    pause(RETRY_MS);
  }
  return 69;
}

/** Ends with 0 at SIGTERM or SIGINT. */
export function runPause(): Promise<number> {
  // A signal that is listened for keeps no process alive, an open port does.
  const { port1 } = new MessageChannel();
  port1.on("message", () => {});
  return new Promise((resolve) => {
    const end = (): void => {
      port1.close();
      resolve(0);
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, end);
  });
}

/** Ends with 0 when a connection to elsewhere arrives here, with 95 when it does not. */
export async function runNetworkValidator(words: readonly string[]): Promise<number> {
  const options = {
    "connect-addr": { type: "string", default: "1.1.1.1:20001" },
    "listen-addr": { type: "string", default: "0.0.0.0:4140" },
    timeout: { type: "string", default: "10s" },
  } as const;
  const { values } = parseArgs({ args: [...words], options });
  const token = randomBytes(64);
  const server = createServer((socket) => socket.on("error", () => {}).end(token));
  const [host, port] = splitAddr(values["listen-addr"]);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, host, resolve);
  });
  try {
    const heard = await hear(values["connect-addr"], durationOf("--timeout", values.timeout));
    if (heard.equals(token)) return 0;
    log
      .logger("network-validator")
      .error(
        `a connection to ${values["connect-addr"]} did not arrive at ${values["listen-addr"]}: the CNI plugin has not set its rules in this pod`,
      );
    return NOT_REDIRECTED;
  } finally {
    server.close();
  }
}

// The whole process waits: it has nothing else to do, and timers of the clock would not keep it alive.
function pause(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const options = { host: "127.0.0.1", port, path: "/ready", agent: false, timeout: 1000 };
    const request = nodeHttp().get(options, (rsp) => {
      rsp.resume();
      resolve(rsp.statusCode === 200);
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}

function hear(addr: string, timeoutMs: number): Promise<Buffer> {
  const [host, port] = splitAddr(addr);
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket: Socket = connect({ host, port, timeout: timeoutMs });
    const timer = systemClock.after(timeoutMs, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      timer.cancel();
      resolve(Buffer.concat(chunks));
    });
  });
}

function splitAddr(text: string): [host: string, port: number] {
  const at = text.lastIndexOf(":");
  return [text.slice(0, at).replace(/^\[|\]$/g, ""), Number(text.slice(at + 1))];
}

function durationOf(flag: string, text: string): number {
  const ms = parseGoDuration(text);
  if (ms !== undefined) return ms;
  throw new Fault("bad-input", `${flag}=${text} is no duration such as "10s"`);
}
