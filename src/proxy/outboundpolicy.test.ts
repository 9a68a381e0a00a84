// Outbound policies: what a real policy controller sends, and what a real proxy rejects.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, fromJson, type JsonValue } from "@bufbuild/protobuf";
import { OutboundPolicySchema } from "../../proto/gen/outbound_pb.js";
import { parseOutboundPolicy } from "./outboundpolicy.ts";

const SERVICE = {
  resource: { group: "core", kind: "Service", namespace: "emojivoto", name: "web", port: 80 },
};
const BACKEND = {
  metadata: SERVICE,
  queue: { capacity: 100, failfastTimeout: "3s" },
  balancer: {
    discovery: { dst: { path: "web.emojivoto.svc.cluster.local:80" } },
    peakEwma: { defaultRtt: "0.030s", decay: "10s" },
  },
};
const FIRST = { firstAvailable: { backends: [{ backend: BACKEND }] } };
const ROUTE = {
  metadata: { default: "http" },
  rules: [{ matches: [{ path: { prefix: "/" } }], backends: FIRST }],
};
const OPAQUE = { routes: [{ metadata: { default: "opaq" }, rules: [{ backends: FIRST }] }] };

function parse(json: JsonValue) {
  return parseOutboundPolicy(fromJson(OutboundPolicySchema, json));
}

test("what a real policy controller sends for a plain service", () => {
  const http = { routes: [ROUTE] };
  const { meta, protocol } = parse({
    metadata: SERVICE,
    protocol: { detect: { timeout: "10s", opaque: OPAQUE, http1: http, http2: http } },
  });
  assert.equal(meta.name, "web");
  assert.ok(protocol.kind === "detect");
  assert.equal(protocol.timeoutMs, 10_000);
  const [backend] = protocol.opaque[0]!.to.backends;
  assert.deepEqual(backend?.backend.queue, { capacity: 100, failfastMs: 3000 });
  assert.deepEqual(backend?.backend.to, {
    kind: "balance",
    path: "web.emojivoto.svc.cluster.local:80",
    load: { defaultRttMs: 30, decayMs: 10_000, penalty: undefined },
  });
  const rule = protocol.http1.routes[0]!.rules[0]!;
  assert.deepEqual(rule.matches[0]!.path, { kind: "prefix", value: "/" });
});

test("timeouts, retries, filters and accrual of a route", () => {
  const rule = {
    matches: [{ path: { regex: "/a|/b" }, method: { registered: "PUT" } }],
    filters: [
      { requestHeaderModifier: { set: { headers: [{ name: "X-A", value: "MQ==" }] } } },
      { failureInjector: { status: 503, ratio: { numerator: 1, denominator: 4 } } },
    ],
    backends: FIRST,
    timeouts: { request: "1s", response: "0.5s" },
    retry: {
      maxRetries: 2,
      conditions: { statusRanges: [{ start: 500, end: 599 }] },
      timeout: "0.25s",
      backoff: { minBackoff: "0.025s", maxBackoff: "0.250s", jitterRatio: 1 },
    },
    allowL5dRequestHeaders: true,
  };
  const hosts = [{ exact: "Web.Example" }, { suffix: { reverseLabels: ["com", "example"] } }];
  const backoff = { minBackoff: "1s", maxBackoff: "60s", jitterRatio: 0.5 };
  const { protocol } = parse({
    metadata: SERVICE,
    protocol: {
      http1: {
        routes: [{ ...ROUTE, hosts, rules: [rule] }],
        failureAccrual: {
          consecutiveFailures: { maxFailures: 7, backoff },
          ejection: { minReadyEndpoints: 1 },
        },
      },
    },
  });
  assert.ok(protocol.kind === "http1");
  const [route] = protocol.http.routes;
  const [got] = route!.rules;
  assert.deepEqual(route!.hosts, [
    { kind: "exact", value: "web.example" },
    { kind: "suffix", value: ".example.com" },
  ]);
  const path = got?.matches[0]?.path;
  assert.ok(path?.kind === "regex" && path.value.test("/b") && !path.value.test("/ba"));
  assert.equal(got?.matches[0]?.method, "PUT");
  const edits = { add: [], set: [["x-a", "1"]], remove: [] };
  assert.deepEqual(got.filters[0], { kind: "request-headers", edits });
  assert.equal(got.filters[1]?.kind === "fail" && got.filters[1].ratio, 0.25);
  assert.deepEqual(got.timeouts, { requestMs: 1000, responseMs: 500, idleMs: undefined });
  assert.equal(got.retry?.limit, 2);
  assert.equal(got.retry?.attemptMs, 250);
  assert.equal(got.retry?.maxBodyBytes, 65_536);
  assert.equal(got.obeysHeaders, true);
  assert.equal(protocol.http.accrual?.consecutive, 7);
  assert.equal(protocol.http.accrual?.minReady, 1);
});

test("gRPC routes become paths", () => {
  const rpcs = [{ service: "a.B", method: "C" }, { service: "a.B" }, { method: "C" }, {}];
  const retry = { maxRetries: 1, conditions: { unavailable: true, deadineExceeded: true } };
  const rules = [{ matches: rpcs.map((rpc) => ({ rpc })), backends: FIRST, retry }];
  const routes = [{ metadata: { default: "grpc" }, rules }];
  const { protocol } = parse({ metadata: SERVICE, protocol: { grpc: { routes } } });
  assert.ok(protocol.kind === "grpc");
  const [rule] = protocol.http.routes[0]!.rules;
  const [exact, prefix, regex, any] = rule!.matches.map((match) => match.path);
  assert.deepEqual(exact, { kind: "exact", value: "/a.B/C" });
  assert.deepEqual(prefix, { kind: "prefix", value: "/a.B" });
  assert.ok(regex?.kind === "regex" && regex.value.test("/x.Y/C") && !regex.value.test("/x.Y/CC"));
  assert.equal(any, undefined);
  assert.deepEqual(rule!.retry?.grpcStatuses, [4, 14]);
});

const route = (rule: Record<string, JsonValue>): JsonValue => ({
  metadata: SERVICE,
  protocol: { http1: { routes: [{ ...ROUTE, rules: [{ backends: FIRST, ...rule }] }] } },
});
const beyond = { conditions: { statusRanges: [{ start: 500, end: 600 }] } };
const bare = { firstAvailable: { backends: [{ backend: { metadata: SERVICE } }] } };

const edited = (name: string, value: string): JsonValue => {
  const headers = [{ name, value: Buffer.from(value).toString("base64") }];
  return route({ filters: [{ responseHeaderModifier: { add: { headers } } }] });
};

test("a filter that is not known fails the requests of its rule, not the policy", () => {
  const { protocol } = parse(route({ filters: [{}] }));
  assert.equal(
    protocol.kind === "http1" && protocol.http.routes[0]!.rules[0]!.filters[0]!.kind,
    "invalid",
  );
});

const REJECTED: [string, JsonValue, string][] = [
  ["no metadata", { protocol: { opaque: OPAQUE } }, "metadata"],
  ["no protocol", { metadata: SERVICE }, "protocol"],
  ["detect without timeout", { metadata: SERVICE, protocol: { detect: {} } }, "detect.timeout"],
  ["no distribution", route({ backends: {} }), "http1.routes[0].rules[0].backends"],
  ["empty distribution", route({ backends: { firstAvailable: {} } }), "has no backends"],
  ["no queue", route({ backends: bare }), "queue is missing"],
  ["retry without conditions", route({ retry: { maxRetries: 1 } }), "retry.conditions"],
  ["status beyond 599", route({ retry: beyond }), "retry.conditions"],
  [
    "denominator 0",
    route({ filters: [{ failureInjector: { status: 500, ratio: { numerator: 1 } } }] }),
    "denominator 0",
  ],
  ["a header value of two lines", edited("x", "a\r\nb"), "no value of a header"],
  ["a header name of two lines", edited("x: y\r\nz", "a"), "no name of a header"],
  ["an empty header name", edited("", "a"), "no name of a header"],
  [
    "a redirect to two lines",
    route({ filters: [{ redirect: { path: { full: "/a\r\nb" } } }] }),
    "fits in no URI",
  ],
  ["bad regex", route({ matches: [{ path: { regex: "(" } }] }), "no regular expression"],
];

for (const [what, json, place] of REJECTED) {
  test(`rejected: ${what}`, () => {
    assert.throws(
      () => parse(json),
      (error: Error) => error.message.includes(place),
    );
  });
}

test("an empty message is rejected and does not crash", () => {
  const empty = create(OutboundPolicySchema);
  assert.throws(() => parseOutboundPolicy(empty), { code: "invalid-policy" });
});
