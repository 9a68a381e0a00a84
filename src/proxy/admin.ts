// The admin server's pages (port 4191): what kubelets, Prometheus, `linkerd diagnostics` and people ask.
// Paths, texts and statuses are those of linkerd2-proxy; /state.json, which says what the proxy knows and how
// old that is, is ours. Who may ask is decided in front of it, but for the pages that only localhost may use.

import { unescape } from "node:querystring";
import { promisify } from "node:util";
import { Fault } from "../base/fault.ts";
import type { Log } from "../base/log.ts";
import { Body } from "../io/body.ts";
import { HttpRsp, type HttpReq } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";
import { hasToken, header, type Headers } from "../wire/headers.ts";
import { isLoopback } from "../stack/authorize.ts";
import type { Env } from "./env.ts";

export type AdminOptions = {
  readonly env: Env;
  /** Prints the metrics in Prometheus text format. */
  readonly registry: { print(): string | Promise<string> };
  readonly log: Pick<Log, "filter">;
  /** Whether traffic is accepted. */
  readonly ready: () => boolean;
  /** Resolves at once, unless something of this process hangs. */
  readonly alive?: () => Promise<unknown>;
  /** Starts the drain; undefined when the endpoint is disabled. */
  readonly shutdown: (() => void) | undefined;
  /** What /state.json shows. */
  readonly state: () => unknown;
};

type Page = {
  readonly methods: readonly string[];
  readonly localOnly: boolean;
  readonly serve: (req: HttpReq, options: AdminOptions) => HttpRsp | Promise<HttpRsp>;
};

const TEXT = "text/plain; charset=utf-8";
const JSON_TYPE = "application/json";

const page = (methods: string, serve: Page["serve"], localOnly = false): Page => ({
  methods: methods.split(" "),
  localOnly,
  serve,
});

const PAGES: Readonly<Record<string, Page>> = {
  "/ready": page("GET HEAD", (_, { ready }) =>
    ready() ? text(200, "ready") : text(503, "not ready"),
  ),
  "/live": page("GET HEAD", async (_, { alive }) => {
    await alive?.();
    return text(200, "live");
  }),
  "/metrics": page("GET HEAD", metrics),
  "/env.json": page("GET HEAD", environment),
  "/state.json": page("GET HEAD", async (_, { state }) => json(await state())),
  "/proxy-log-level": page("GET PUT", logLevel, true),
  "/shutdown": page("POST", shutdown, true),
};

/** The service of the admin pages. */
export function admin(options: AdminOptions): HttpService {
  return function admin(req) {
    const { path, method } = req;
    const at = path.indexOf("?");
    const found = PAGES[at < 0 ? path : path.slice(0, at)];
    if (!found) return Promise.resolve(empty(404));
    if (found.localOnly && !isLoopback(req.peer.remote.ip)) {
      return Promise.resolve(text(403, "Requests are only permitted from localhost.", ""));
    }
    if (!found.methods.includes(method)) {
      return Promise.resolve(empty(405, ["allow", found.methods.join(", ")]));
    }
    return Promise.resolve(found.serve(req, options));
  };
}

async function metrics(req: HttpReq, { registry }: AdminOptions): Promise<HttpRsp> {
  const page = Buffer.from(await registry.print());
  const type = "text/plain; version=0.0.4; charset=utf-8";
  if (!hasToken(header(req.headers, "accept-encoding"), "gzip")) return reply(200, type, page);
  // Loaded when first asked for: most proxies are scraped, but not before they have to be ready.
  const { gzip } = await import("node:zlib");
  const packed = await promisify<Buffer, Buffer>(gzip)(page);
  return reply(200, type, packed, ["content-encoding", "gzip"]);
}

function environment(req: HttpReq, { env }: AdminOptions): HttpRsp {
  const accept = header(req.headers, "accept") ?? "*/*";
  if (!/application\/(json|\*)|\*\/\*/.test(accept)) return empty(406);
  const query = req.path.split("?")[1];
  if (!query) return json(env);
  const names = query.split("&").map((name) => unescape(name.split("=")[0]!));
  return json(Object.fromEntries(names.map((name) => [name, env[name] ?? null])));
}

async function logLevel(req: HttpReq, { log }: AdminOptions): Promise<HttpRsp> {
  if (req.method === "GET") return text(200, log.filter, "");
  const body = await req.body.read(
    4096,
    () => new Fault("body-too-large", "a filter has 4 KiB at most"),
  );
  try {
    log.filter = body.toString();
    return empty(204);
  } catch (error) {
    return text(400, Fault.from(error).message);
  }
}

function shutdown(_: HttpReq, options: AdminOptions): HttpRsp {
  if (!options.shutdown) return text(404, "shutdown endpoint is not enabled");
  options.shutdown();
  return text(200, "shutdown");
}

function text(status: number, words: string, end = "\n"): HttpRsp {
  return reply(status, TEXT, Buffer.from(words + end));
}

function json(value: unknown): HttpRsp {
  return reply(200, JSON_TYPE, Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`));
}

function empty(status: number, headers: Headers = []): HttpRsp {
  return new HttpRsp(status, headers, Body.empty);
}

function reply(status: number, type: string, body: Buffer, more: Headers = []): HttpRsp {
  return new HttpRsp(status, ["content-type", type, ...more], Body.of(body));
}
