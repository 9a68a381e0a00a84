// A made-up mesh behind the built dashboard, for looking at it without one: `node web/dev/server.ts`, after
// `npx vite build web`. For development only; nothing of it is published.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import type { ServerResponse } from "node:http";
import { extname, join } from "node:path";
import type { Call, History, Live, TapCall, Workload } from "../api.ts";

const PORT = Number(process.env["PORT"] ?? 8099);
const ROOT = join(import.meta.dirname, "../../dist/web");
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STEPS = 30;
const wave = (seed: number, i: number): number =>
  1 + 0.25 * Math.sin(seed + i / 3) + 0.12 * Math.sin(seed * 7 + i);

function workload(
  name: string,
  rps: number | null,
  success: number | null,
  p: readonly number[],
  meshed = 1,
): Workload {
  const turn = Date.now() / 10_000;
  const rate = Array.from({ length: STEPS }, (_, i) => (rps ?? 0) * wave(name.length, i + turn));
  return {
    id: `deployment/emojivoto/${name}`,
    kind: "deployment",
    namespace: "emojivoto",
    name,
    pods: { meshed, total: 1, failed: 0 },
    success,
    rps: rps && rate.at(-1)!,
    p50: p[0] ?? null,
    p95: p[1] ?? null,
    p99: p[2] ?? null,
    open: rps === null ? 0 : Math.ceil(rps),
    readRate: 1200,
    writeRate: 4800,
    rate,
    past: rate.map(() => success),
  };
}

const id = (name: string): string => `deployment/emojivoto/${name}`;

function call(
  src: string,
  dst: string,
  rps: number | null,
  success: number | null,
  security: Call["security"] = "mutual",
): Call {
  return {
    src: src.includes("/") ? src : id(src),
    dst: id(dst),
    rps,
    success,
    p50: 1,
    p95: 4,
    p99: 9,
    open: 2,
    security,
  };
}

function live(): Live {
  return {
    at: Date.now(),
    windowMs: 60_000,
    stepMs: 10_000,
    version: "ts-0.1.0",
    workloads: [
      workload("emoji", 4.1, 1, [1, 2, 3]),
      workload("vote-bot", null, null, []),
      workload("voting", 2, 0.872, [1, 2, 4]),
      workload("web", 4.2, 0.938, [3, 8, 19]),
    ],
    calls: [
      call("outside//outside the mesh", "web", 0.2, 1, "none"),
      call("vote-bot", "web", 4, 0.938),
      call("web", "emoji", 4.1, 1),
      call("web", "voting", 2, 0.872),
    ],
  };
}

function history(): History {
  const at = Array.from({ length: 60 }, (_, i) => Math.round(Date.now() / 1000) - (60 - i) * 10);
  const of = (base: number, seed: number): number[] => at.map((_, i) => base * wave(seed, i));
  return {
    at,
    rps: of(4, 1),
    success: of(0.93, 2).map((v) => Math.min(1, v)),
    p50: of(3, 3),
    p95: of(8, 4),
    p99: of(19, 5),
  };
}

function tapCall(): TapCall {
  const paths = [
    "/api/vote",
    "/api/list",
    "/emojivoto.v1.EmojiService/ListAll",
    "/emojivoto.v1.VotingService/VoteDoughnut",
  ];
  const path = paths[Math.floor(Math.random() * paths.length)]!;
  return {
    at: Date.now(),
    direction: path.startsWith("/api") ? "inbound" : "outbound",
    source: "deploy/vote-bot",
    destination: path.includes("Emoji") ? "deploy/emoji" : "deploy/voting",
    method: path.startsWith("/api") ? "GET" : "POST",
    authority: "web-svc.emojivoto",
    path,
    route: "",
    tls: true,
    status: 200,
    grpcStatus: null,
    ok: !path.endsWith("Doughnut"),
    latencyMs: 1 + Math.random() * 12,
  };
}

function events(rsp: ServerResponse, everyMs: number, make: () => unknown): void {
  rsp.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  const send = (): void => void rsp.write(`data: ${JSON.stringify(make())}\n\n`);
  send();
  const timer = setInterval(send, everyMs);
  rsp.on("close", () => clearInterval(timer));
}

const server = createServer((req, rsp) => {
  const path = req.url!.split("?")[0]!;
  const json = (value: unknown): void => {
    rsp.writeHead(200, { "content-type": "application/json" });
    rsp.end(JSON.stringify(value));
  };
  if (path === "/api/live") return events(rsp, 2000, live);
  if (path === "/api/tap") return events(rsp, 150, tapCall);
  if (path === "/api/history") return json(history());
  if (path === "/api/route-rows") return json([]);
  const file = join(ROOT, path);
  const found = extname(path) !== "" && existsSync(file) ? file : join(ROOT, "index.html");
  rsp.writeHead(200, { "content-type": TYPES[extname(found)]!, "content-security-policy": CSP });
  return createReadStream(found).pipe(rsp);
});

server.listen(PORT, "127.0.0.1", () => process.stdout.write(`http://127.0.0.1:${PORT}\n`));
