// The transport between the local mesh and other processes: HTTP over a Unix socket that only its owner may
// open. Calls are JSON both ways; streams are lines of JSON. The one file that knows how it is done.

import { chmodSync, rmSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Close } from "../base/watch.ts";
import { Fault } from "../base/fault.ts";
import { nodeHttp } from "./nodehttp.ts";

/** A stream of lines to a client. `send` returns false when the client is slow; `drained` is told when it has caught up. */
export interface Lines {
  send(line: unknown): boolean;
  onDrain(drained: () => void): void;
  onClose(closed: () => void): void;
}

export type Calls = {
  /** Answers a call by name; a thrown fault reaches the caller as the same fault. */
  readonly calls: Readonly<Record<string, (body: any) => Promise<unknown>>>;
  readonly streams: Readonly<Record<string, (body: any, lines: Lines) => void | Promise<void>>>;
};

/** Serves calls at `path` until closed; rejects with `in-use` when somebody serves there already. */
export async function serveSocket(path: string, calls: Calls): Promise<Close> {
  if (await answers(path)) throw new Fault("in-use", `something already listens on ${path}`);
  // Nobody answers, so what lies there was left by a process that was killed.
  rmSync(path, { force: true });
  const server = nodeHttp().createServer((req, rsp) => {
    void answer(req, rsp, calls).catch((error: unknown) => {
      const { code, message } = Fault.from(error);
      if (!rsp.headersSent) rsp.writeHead(400, { "content-type": "application/json" });
      rsp.end(JSON.stringify({ fault: { code, message } }));
    });
  });
  const before = process.umask(0o077);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  }).finally(() => process.umask(before));
  chmodSync(path, 0o600);
  return () => {
    server.close();
    server.closeAllConnections();
  };
}

/** Calls `name` of whoever serves `path`. */
export async function callSocket<T>(path: string, name: string, body: unknown = {}): Promise<T> {
  const rsp = await open(path, name, body);
  let text = "";
  for await (const chunk of rsp) text += String(chunk);
  return JSON.parse(text) as T;
}

/** Calls `line` with each line of a stream; `ended` when it is over, however that came. */
export async function streamSocket(
  path: string,
  name: string,
  body: unknown,
  line: (line: unknown) => void,
  ended: () => void,
): Promise<Close> {
  const rsp = await open(path, name, body);
  let rest = "";
  rsp.setEncoding("utf8");
  rsp.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const each of lines) if (each !== "") line(JSON.parse(each));
  });
  rsp.on("error", () => {});
  rsp.on("close", ended);
  return () => void rsp.destroy();
}

async function answer(req: IncomingMessage, rsp: ServerResponse, calls: Calls): Promise<void> {
  let text = "";
  for await (const chunk of req) text += String(chunk);
  const name = (req.url ?? "/").slice(1);
  const body: unknown = text === "" ? {} : JSON.parse(text);
  const call = Object.hasOwn(calls.calls, name) ? calls.calls[name] : undefined;
  const stream = Object.hasOwn(calls.streams, name) ? calls.streams[name] : undefined;
  if (call) {
    const result = await call(body);
    rsp.writeHead(200, { "content-type": "application/json" });
    rsp.end(JSON.stringify(result ?? null));
  } else if (stream) {
    const begin = (): void => {
      if (!rsp.headersSent) rsp.writeHead(200, { "content-type": "application/x-ndjson" });
    };
    await stream(body, {
      send: (line) => {
        begin();
        return rsp.write(`${JSON.stringify(line)}\n`);
      },
      onDrain: (drained) => rsp.on("drain", drained),
      onClose: (closed) => rsp.on("close", closed),
    });
    begin();
    rsp.flushHeaders();
  } else {
    throw new Fault(
      "not-found",
      `the mesh does not know the call ${name}; is it of another version?`,
    );
  }
}

function open(path: string, name: string, body: unknown): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const req = nodeHttp().request({
      socketPath: path,
      path: `/${name}`,
      method: "POST",
      agent: false,
    });
    req.on("error", (cause) => {
      reject(
        new Fault("unavailable", `no local mesh answers at ${path}; start one first`, { cause }),
      );
    });
    req.on("response", (rsp) => {
      if (rsp.statusCode === 200) return resolve(rsp);
      let text = "";
      rsp.on("data", (chunk) => (text += String(chunk)));
      rsp.on("end", () => {
        const { fault } = JSON.parse(text) as { fault: { code: never; message: string } };
        reject(new Fault(fault.code, fault.message));
      });
    });
    req.end(JSON.stringify(body));
  });
}

function answers(path: string): Promise<boolean> {
  return open(path, "ping", {}).then(
    () => true,
    (fault: Fault) => fault.code !== "unavailable",
  );
}
