// Faults as responses: every code, both languages, safe texts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault, FAULTS, type FaultCode } from "../base/fault.ts";
import { Log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { HttpRsp } from "../io/message.ts";
import { header } from "../wire/headers.ts";
import { request, response, type ReqParts, scripted } from "../../test/support/messages.ts";
import { rescue, type RescueOptions } from "./rescue.ts";

const GRPC = { version: 20, headers: ["content-type", "application/grpc"] } as const;

async function rescued(
  fault: Fault | Error,
  req: ReqParts = {},
  options: Partial<RescueOptions> = {},
): Promise<{ rsp: HttpRsp; lines: string[]; page: string }> {
  const lines: string[] = [];
  const clock = new VirtualClock();
  const registry = new Registry(clock);
  const filter = rescue({
    log: new Log({ clock, write: (line) => lines.push(line) }).logger("outbound"),
    errors: registry.counter("outbound_http_errors_total", "Errors."),
    ...options,
  });
  const rsp = await filter(() => Promise.reject(fault))(request(req));
  return { rsp, lines, page: registry.print() };
}

test("every fault is answered as the table says, in HTTP and in gRPC", async () => {
  for (const code of Object.keys(FAULTS) as FaultCode[]) {
    const { http, grpc, closes } = FAULTS[code];
    const fault = new Fault(code, "why");
    const plain = (await rescued(fault)).rsp;
    assert.equal(plain.status, http, code);
    assert.equal(header(plain.headers, "l5d-proxy-error"), "why");
    assert.equal(header(plain.headers, "content-length"), "0");
    assert.equal(plain.close, closes, code);
    assert.equal(header(plain.headers, "connection"), closes ? "close" : undefined);
    assert.equal(header(plain.headers, "l5d-proxy-connection"), closes ? "close" : undefined);
    const call = (await rescued(fault, { ...GRPC, headers: [...GRPC.headers] })).rsp;
    assert.equal(call.status, 200);
    assert.equal(header(call.headers, "grpc-status"), String(grpc), code);
    assert.equal(header(call.headers, "content-type"), "application/grpc");
    assert.equal(call.close, false, "an HTTP/2 connection carries other requests");
  }
});

test("whoever is limited hears of the limit, and when to come back", async () => {
  const fault = new Fault("rate-limited", "rate limit of 100 requests/s", { detail: 100 });
  const fields = (headers: string[]) =>
    ["retry-after", "grpc-retry-pushback-ms", "ratelimit-policy", "ratelimit"].map((name) =>
      header(headers, name),
    );
  const limit = ['"local";q=100;w=1', '"local";r=0;t=1'];
  assert.deepEqual(fields((await rescued(fault)).rsp.headers), ["1", undefined, ...limit]);
  const call = (await rescued(fault, { ...GRPC, headers: [...GRPC.headers] })).rsp;
  assert.deepEqual(fields(call.headers), [undefined, "1000", ...limit]);
});

test("the fault is logged once and counted once, under Linkerd's word", async () => {
  const { lines, page } = await rescued(new Fault("failfast", "web:80: fail-fast"), { path: "/x" });
  assert.equal(lines.length, 1);
  assert.match(
    lines[0]!,
    / INFO .*Request failed code=failfast error=web:80: fail-fast .*path=\/x$/,
  );
  assert.match(page, /outbound_http_errors_total\{error="failfast"\} 1/);
});

test("an answer by policy is no error; a bug is one and is logged as such", async () => {
  assert.equal((await rescued(new Fault("forbidden", "no"))).page, "");
  const { rsp, lines, page } = await rescued(new TypeError("x is not a function"));
  assert.equal(rsp.status, 500);
  assert.match(lines[0]!, /ERROR/);
  assert.match(page, /error="unexpected"/);
});

test("a message cannot break a field, and is bounded", async () => {
  const { rsp } = await rescued(new Fault("io", `a\r\nset-cookie: x=1\u2028é${"y".repeat(2000)}`));
  const text = header(rsp.headers, "l5d-proxy-error")!;
  assert.match(text, /^a set-cookie: x=1 y+\.\.\.$/);
  assert.equal(text.length, 512);
  const call = await rescued(new Fault("io", "100% später"), { headers: [...GRPC.headers] });
  assert.equal(header(call.rsp.headers, "grpc-message"), "100%25 sp%C3%A4ter");
});

test("clients outside of the mesh are told nothing of the proxy", async () => {
  const { rsp } = await rescued(new Fault("failfast", "secret"), {}, { informs: () => false });
  assert.deepEqual(rsp.headers, ["content-length", "0", "connection", "close"]);
});

test("an injected failure has the status that it was given, of either kind", async () => {
  const http = await rescued(new Fault("injected", "", { detail: 418 }), {
    headers: [...GRPC.headers],
  });
  assert.equal(http.rsp.status, 418);
  const grpc = await rescued(new Fault("injected", "", { detail: 8 }));
  assert.equal(header(grpc.rsp.headers, "grpc-status"), "8");
});

test("responses pass untouched", async () => {
  const rsp = response(503, ["a", "b"]);
  const log = new Log({ write: () => {} }).logger("x");
  const errors = new Registry(new VirtualClock()).counter("n", "");
  assert.equal(await rescue({ log, errors })(scripted(() => rsp))(request()), rsp);
});
