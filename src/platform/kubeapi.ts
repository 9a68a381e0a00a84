// An API server: requests with JSON, streams of lines, and byte streams to pods. Connections are Node's: what this
// carries is little, and an API server's certificate names hosts, which the TLS of `io` has no business with.

import type { Agent, IncomingMessage } from "node:http";
import type { RequestOptions } from "node:https";
import type { Duplex } from "node:stream";
import { type Clock, systemClock } from "../base/clock.ts";
import { Fault, type FaultCode } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Close } from "../base/watch.ts";
import type { KubeAccess } from "./kubeconfig.ts";
import { nodeHttp, nodeHttps } from "./nodehttp.ts";

export type KubeRequest = {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Of the body; default application/json. */
  readonly type?: string;
  /** Of the whole exchange; default 30 s. */
  readonly timeoutMs?: number;
};

/** Where a stream of lines stands: `end` tells why it is over. */
export type LineSink = {
  readonly line: (line: string) => void;
  readonly end: (fault: Fault) => void;
};

const logger = log.logger("kube");
const TIMEOUT_MS = 30_000;
/** A watch over which nothing comes for this long, or twice that, is dead: API servers send bookmarks every minute. */
const SILENCE_MS = 300_000;

const CODES: Readonly<Record<number, FaultCode>> = {
  401: "unauthenticated",
  403: "no-permission",
  404: "not-found",
  409: "in-use",
  410: "closed",
  400: "bad-input",
  422: "bad-input",
  429: "rate-limited",
};

export class KubeApi {
  readonly access: KubeAccess;
  // Without TLS it is `kubectl proxy`, which stands for its user.
  readonly #protocol: ReturnType<typeof nodeHttp | typeof nodeHttps>;
  readonly #agent: Agent;
  readonly #clock: Clock;
  #pending = 0;
  #closed = false;

  constructor(access: KubeAccess, clock: Clock = systemClock) {
    this.access = access;
    this.#clock = clock;
    this.#protocol = access.server.startsWith("http:") ? nodeHttp() : nodeHttps();
    this.#agent = new this.#protocol.Agent({
      keepAlive: true,
      keepAliveMsecs: 15_000,
      maxFreeSockets: 4,
    });
  }

  /** The JSON of the answer (the text of what is no JSON); rejects with the server's own words unless it is a 2xx. */
  async request<T>(path: string, options: KubeRequest = {}): Promise<T> {
    const { method = "GET", body, type = "application/json", timeoutMs = TIMEOUT_MS } = options;
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = bytes && { "content-type": type, "content-length": String(bytes.length) };
    const signal = AbortSignal.timeout(timeoutMs);
    this.#pending++;
    try {
      const rsp = await this.#send(path, { method, headers, signal }, bytes);
      const text = await readAll(rsp);
      if (rsp.statusCode! >= 300) throw refusal(rsp.statusCode!, text, path);
      return (rsp.headers["content-type"]?.includes("json") ? JSON.parse(text) : text) as T;
    } finally {
      this.#pending--;
      this.#endIfOver();
    }
  }

  /** What is at a path; undefined when nothing is. */
  async find<T>(path: string): Promise<T | undefined> {
    try {
      return await this.request<T>(path);
    } catch (error) {
      if (error instanceof Fault && error.code === "not-found") return undefined;
      throw error;
    }
  }

  /** The items of the list at a path that have the labels and fields, as selectors write them. */
  async list<T>(path: string, labelSelector = "", fieldSelector = ""): Promise<readonly T[]> {
    const given = Object.entries({ labelSelector, fieldSelector }).filter(
      ([, text]) => text !== "",
    );
    const query = given.length === 0 ? "" : `?${new URLSearchParams(given).toString()}`;
    return (await this.request<{ items: readonly T[] }>(path + query)).items;
  }

  /** The answer to a request whose body is `bytes`, whatever it is; rejects when there is none. */
  async exchange(path: string, type: string, bytes: Buffer): Promise<IncomingMessage> {
    const headers = { "content-type": type, "content-length": String(bytes.length), accept: "*/*" };
    return this.#send(path, { method: "POST", headers }, bytes);
  }

  /** Passes the lines of an answer on until it ends or is closed. */
  stream(path: string, sink: LineSink): Close {
    const controller = new AbortController();
    let isSilent = false;
    const watchdog = this.#clock.every(SILENCE_MS, () => {
      if (isSilent) controller.abort();
      isSilent = true;
    });
    const run = async (): Promise<void> => {
      const rsp = await this.#send(path, { method: "GET", signal: controller.signal });
      if (rsp.statusCode! >= 300) throw refusal(rsp.statusCode!, await readAll(rsp), path);
      rsp.setEncoding("utf8");
      let rest = "";
      for await (const chunk of rsp as AsyncIterable<string>) {
        isSilent = false;
        const lines = (rest + chunk).split("\n");
        rest = lines.pop()!;
        for (const line of lines) if (line !== "" && !controller.signal.aborted) sink.line(line);
      }
    };
    let isClosed = false;
    void run()
      .finally(() => watchdog.cancel())
      .then(
        () => isClosed || sink.end(new Fault("closed", "the API server ended the stream")),
        (error: unknown) => isClosed || sink.end(Fault.from(error, faultCode(error))),
      );
    return () => {
      isClosed = true;
      controller.abort();
    };
  }

  /** The connection after an upgrade (RFC 9110 §7.8) to `headers.upgrade`. */
  async upgrade(path: string, headers: Readonly<Record<string, string>>): Promise<Duplex> {
    const options = await this.#options(path, { method: "GET", headers });
    logger.debug("connects", { path });
    return new Promise((resolve, reject) => {
      const req = this.#protocol.request({ ...options, agent: false });
      req.once("upgrade", (_rsp, socket: Duplex, head: Buffer) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      req.once("response", (rsp) => {
        void readAll(rsp).then((text) => reject(refusal(rsp.statusCode!, text, path)), reject);
      });
      req.once("error", (error) => reject(unreachable(this.access.server, error)));
      req.end();
    });
  }

  /** Ends all streams and connections, as soon as no request is under way: a lease may be given back at the very end. */
  close(): void {
    this.#closed = true;
    this.#endIfOver();
  }

  #endIfOver(): void {
    if (this.#closed && this.#pending === 0) this.#agent.destroy();
  }

  async #send(path: string, extra: RequestOptions, bytes?: Buffer): Promise<IncomingMessage> {
    const options = await this.#options(path, extra);
    return new Promise((resolve, reject) => {
      const req = this.#protocol.request({ ...options, agent: this.#agent }, (rsp) => {
        if (logger.debugging)
          logger.debug("asked", { method: extra.method, path, status: rsp.statusCode });
        resolve(rsp);
      });
      req.once("error", (error) => reject(unreachable(this.access.server, error)));
      req.end(bytes);
    });
  }

  async #options(path: string, extra: RequestOptions): Promise<RequestOptions> {
    const { server, ca, cert, key, serverName, insecure, as, asGroups, authorization } =
      this.access;
    const url = new URL(server);
    const token = await authorization();
    return {
      ...extra,
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port || (this.#protocol === nodeHttp() ? 80 : 443),
      path: url.pathname.replace(/\/$/, "") + path,
      headers: {
        accept: "application/json",
        "user-agent": "linkerd",
        ...(token === undefined ? {} : { authorization: token }),
        ...(as === undefined ? {} : { "impersonate-user": as }),
        ...(asGroups.length === 0 ? {} : { "impersonate-group": [...asGroups] }),
        ...(extra.headers as Record<string, string> | undefined),
      },
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      ...(serverName === undefined ? {} : { servername: serverName }),
      rejectUnauthorized: !insecure,
    };
  }
}

async function readAll(rsp: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of rsp as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

/** The fault of an answer that is no 2xx: an API server says why in a Status. Its detail is the status code. */
export function refusal(status: number, text: string, path: string): Fault {
  let message = text.trim() || `the API server answered ${status} to ${path}`;
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {
    // A proxy in between answers in words of its own.
  }
  return new Fault(CODES[status] ?? "unavailable", message, { detail: status });
}

function unreachable(server: string, error: Error): Fault {
  if (error instanceof Fault) return error;
  return new Fault("unavailable", `the API server ${server} cannot be asked: ${error.message}`, {
    cause: error,
  });
}

const faultCode = (error: unknown): FaultCode | undefined =>
  error instanceof Fault ? undefined : "unavailable";
