// The workload `web`: the page, and the JSON API behind it, on HTTP/1. It asks `emoji` and `voting` over gRPC and hands
// on the headers by which a mesh joins traces; a call that fails there is a 500 here.

import type { ServiceError } from "@grpc/grpc-js";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Channel } from "./grpc.ts";
import type { EmojiService, VotingService } from "./grpc.ts";
import { table } from "./table.ts";
import { listen, onStop, settings } from "./workload.ts";

interface Ask {
  readonly query: URLSearchParams;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const env = settings("web", {
  WEB_PORT: "8080",
  EMOJISVC_HOST: "emoji-svc.emojivoto:8080",
  VOTINGSVC_HOST: "voting-svc.emojivoto:8080",
});
const emoji = new Channel<EmojiService>("EmojiService", env.EMOJISVC_HOST);
const voting = new Channel<VotingService>("VotingService", env.VOTINGSVC_HOST);
const methods = new Map(table.map((row) => [row.shortcode, row.method]));
const html = readFileSync(join(import.meta.dirname, "page.html"), "utf8");

const page = () => ({ status: 200, type: "text/html; charset=utf-8", body: html });
const json = (status: number, value: unknown) => ({
  status,
  type: "application/json; charset=utf-8",
  body: JSON.stringify(value),
});

const routes: Record<string, (ask: Ask) => Answer | Promise<Answer>> = {
  "/": page,
  "/leaderboard": page,
  "/healthz": () => ({ status: 200, type: "text/plain", body: "ok\n" }),
  "/api/list": async ({ headers, signal }) => {
    const { list } = await emoji.call("ListAll", {}, headers, signal);
    return json(200, list);
  },
  "/api/vote": async ({ query, headers, signal }) => {
    const shortcode = query.get("choice") ?? "";
    const { emoji: found } = await emoji.call("FindByShortcode", { shortcode }, headers, signal);
    const method = found && methods.get(found.shortcode);
    if (!method)
      return json(400, {
        error: `"${shortcode}" is no emoji of /api/list; ask for ?choice=:tada:.`,
      });
    await voting.call(method, {}, headers, signal);
    return json(200, found);
  },
  "/api/leaderboard": async ({ headers, signal }) => {
    const [{ results }, { list }] = await Promise.all([
      voting.call("Results", {}, headers, signal),
      emoji.call("ListAll", {}, headers, signal),
    ]);
    const unicode = new Map(list.map((one) => [one.shortcode, one.unicode]));
    return json(
      200,
      results.map((result) => ({ ...result, unicode: unicode.get(result.shortcode) })),
    );
  },
};

const traced = /^(?:traceparent|tracestate|baggage|b3|x-b3-.+|x-request-id|l5d-ctx-.+)$/;

/** The headers that tell a mesh which calls belong together. */
function traceHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const values = Object.entries(headers).filter(
    ([name]) => traced.test(name) && !name.endsWith("-bin"),
  );
  return Object.fromEntries(values.map(([name, value]) => [name, String(value)]));
}

async function answer(req: IncomingMessage, signal: AbortSignal): Promise<Answer> {
  const { pathname, query } = split(req.url ?? "/");
  const route = Object.hasOwn(routes, pathname) ? routes[pathname] : undefined;
  if (!route) return json(404, { error: `There is nothing at ${pathname}.` });
  if (!["GET", "HEAD", "POST"].includes(req.method ?? ""))
    return json(405, { error: `${req.method} is not for here.` });
  try {
    return await route({ query, headers: traceHeaders(req.headers), signal });
  } catch (cause) {
    const { message } = cause as ServiceError;
    if (!signal.aborted) console.error(`web: 500 for ${req.method} ${req.url}: ${message}`);
    return json(500, { error: message });
  }
}

function split(target: string) {
  const [pathname = "/", query = ""] = target.split("?", 2);
  return { pathname, query: new URLSearchParams(query) };
}

async function respond(req: IncomingMessage, rsp: ServerResponse) {
  const gone = new AbortController();
  rsp.once("close", () => gone.abort());
  const { status, type, body } = await answer(req, gone.signal);
  // Node closes idle connections when it stops, but would serve a busy one for as long as its client likes.
  if (!server.listening) rsp.setHeader("connection", "close");
  rsp
    .writeHead(status, { "content-type": type, "content-length": Buffer.byteLength(body) })
    .end(body);
}

const server = createServer((req, rsp) => void respond(req, rsp));

await listen("web", "WEB_PORT", (host, port) => {
  const bound = Promise.withResolvers<number>();
  server
    .once("error", bound.reject)
    .listen(port, host, () => bound.resolve((server.address() as AddressInfo).port));
  return bound.promise;
});

onStop("web", async () => {
  await new Promise((done) => server.close(done));
  emoji.close();
  voting.close();
});
