// Tap's fan-out over proxies that are lambdas: which are asked, how often, and what is added to their events.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ObserveRequestSchema, TapEvent as ProxyEvent } from "../../proto/gen/tap_pb.js";
import { TapEventSchema } from "../../proto/gen/tap_pb.js";
import type { TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapByResourceRequestSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { resourceOf } from "../platform/manifests.ts";
import { Store } from "../platform/store.ts";
import { Calls } from "./calls.ts";
import type { Observe } from "./tap.ts";
import { printIp, tap } from "./tap.ts";
import { watchWorld } from "./world.ts";

const TAPPED = { "viz.linkerd.io/tap-enabled": "true" };

const pod = (name: string, ip: string, meshed = true, annotations: object = TAPPED) =>
  resourceOf("Pod", {
    metadata: {
      name: `${name}-1`,
      namespace: "shop",
      labels: {
        "linkerd.io/proxy-deployment": name,
        ...(meshed && { "linkerd.io/control-plane-ns": "l" }),
      },
      annotations,
    },
    spec: { containers: [{ name: "app" }], serviceAccountName: name },
    status: { phase: "Running", podIP: ip },
  });

type Asked = {
  pod: string;
  request: MessageInitShape<typeof ObserveRequestSchema>;
  event: (event: ProxyEvent) => void;
  ended: (fault: Fault | undefined) => void;
  closed: boolean;
};

function setUp(
  target: { type: string; name: string; labelSelector?: string },
  more: Partial<{ maxRps: number; path: string }> = {},
) {
  const resources = new Store([
    pod("cart", "10.0.0.1"),
    pod("bare", "10.0.0.9", false),
    pod("old", "10.0.0.8", true, {}),
    pod("shy", "10.0.0.7", true, { "viz.linkerd.io/disable-tap": "true" }),
    resourceOf("Namespace", { metadata: { name: "shop" } }),
  ]);
  const world = watchWorld({
    watch: (kind) => resources.watch(kind),
    reviewToken: assert.fail,
    writeStatus: assert.fail,
  });
  world.observe(() => {});
  const asked: Asked[] = [];
  const observe: Observe = ({ name }, request, event, ended) => {
    const stream: Asked = { pod: name, request, event, ended, closed: false };
    asked.push(stream);
    return () => (stream.closed = true);
  };
  const { type, name, labelSelector = "" } = target;
  const clock = new VirtualClock();
  const events: TapEvent[] = [];
  const troubles: string[] = [];
  const request = create(TapByResourceRequestSchema, {
    target: { resource: { namespace: type === "ns" ? "" : "shop", type, name }, labelSelector },
    maxRps: more.maxRps ?? 10,
    ...(more.path && {
      match: { match: { case: "http", value: { match: { case: "path", value: more.path } } } },
    }),
  });
  const start = () =>
    tap(world, observe, clock, request, {
      event: (event) => events.push(event),
      trouble: ({ name }, { message }) => troubles.push(`${name}: ${message}`),
    });
  return { resources, asked, clock, events, troubles, start };
}

test("each stream lasts for its share of requests, once a second", () => {
  const { asked, clock, start, resources } = setUp({ type: "ns", name: "shop" }, { path: "/api" });
  const close = start();
  assert.deepEqual(
    asked.map((s) => [s.pod, s.request.limit]),
    [["cart-1", 10]],
  );
  assert.deepEqual(asked[0]!.request.match, {
    match: {
      case: "http",
      value: { match: { case: "path", value: { match: { case: "prefix", value: "/api" } } } },
    },
  });
  clock.advance(400);
  asked[0]!.ended(undefined);
  clock.advance(599);
  assert.equal(asked.length, 1);
  clock.advance(1);
  assert.equal(asked.length, 2);

  resources.put(pod("pay", "10.0.0.2"));
  assert.deepEqual([asked[2]!.pod, asked[2]!.request.limit], ["pay-1", 5]);
  resources.remove("Pod", "shop/cart-1");
  assert.deepEqual(
    asked.map((s) => s.closed),
    [false, true, false],
  );
  close();
  assert.equal(asked[2]!.closed, true);
});

test("trouble with a proxy is told once, and tried again", () => {
  const { asked, clock, start, troubles } = setUp({ type: "deploy", name: "cart" });
  start();
  for (let i = 0; i < 3; i++) {
    asked.at(-1)!.ended(new Fault("unavailable", "tap is off"));
    clock.advance(1000);
  }
  assert.equal(asked.length, 4);
  assert.deepEqual(troubles, ["cart-1: tap is off"]);
});

test("nothing to tap is said at once, with the reason", () => {
  assert.throws(
    setUp({ type: "deploy", name: "nope" }).start,
    /no pods to tap found for deploy\/nope in shop/,
  );
  assert.throws(
    setUp({ type: "deploy", name: "bare" }).start,
    /no pod of deploy\/bare in shop has a running proxy/,
  );
  assert.throws(
    setUp({ type: "deploy", name: "shy" }).start,
    /all pods of deploy\/shy in shop have tap disabled/,
  );
  assert.throws(
    setUp({ type: "deploy", name: "old" }).start,
    /deploy\/old in shop was there before viz was: restart its pods/,
  );
});

test("labels select whom to tap", () => {
  const { asked, start, resources } = setUp({ type: "po", name: "", labelSelector: "app!=pay" });
  resources.put(pod("pay", "10.0.0.2"));
  start();
  assert.deepEqual(
    asked.map((stream) => stream.pod),
    ["cart-1", "pay-1"],
  );
  const chosen = setUp({ type: "po", name: "", labelSelector: "linkerd.io/proxy-deployment=pay" });
  assert.throws(chosen.start, /no pods to tap found/);
  chosen.resources.put(pod("pay", "10.0.0.2"));
  chosen.start();
  assert.deepEqual(
    chosen.asked.map((stream) => stream.pod),
    ["pay-1"],
  );
});

const address = (last: number, port: number) => ({
  ip: { ip: { case: "ipv4" as const, value: 0x0a000000 + last } },
  port,
});

test("events get the resources of both ends, and three of them make a call", () => {
  const { asked, events, start, resources } = setUp({ type: "deploy", name: "cart" });
  resources.put(pod("pay", "10.0.0.2"));
  start();
  const base = {
    source: address(77, 4000),
    sourceMeta: {
      labels: { tls: "true", client_id: "pay.shop.serviceaccount.identity.linkerd.cluster.local" },
    },
    destination: address(1, 8080),
    proxyDirection: 1,
  };
  const id = { base: 7, stream: 3n };
  const http = (event: object) =>
    asked[0]!.event(
      create(TapEventSchema, { ...base, event: { case: "http", value: { event } } } as never),
    );
  const headers = { headers: [{ name: "x-a", value: Buffer.from("b") }] };
  http({
    case: "requestInit",
    value: {
      id,
      method: { type: { case: "registered", value: 1 } },
      authority: "cart:8080",
      path: "/add?x=1",
      headers,
    },
  });
  http({
    case: "responseInit",
    value: { id, httpStatus: 200, sinceRequestInit: { nanos: 4_000_000 } },
  });
  http({
    case: "responseEnd",
    value: {
      id,
      sinceRequestInit: { nanos: 5_500_000 },
      eos: { end: { case: "grpcStatusCode", value: 2 } },
    },
  });

  assert.equal(events[0]!.sourceMeta!.labels["deployment"], "pay");
  assert.equal(events[0]!.destinationMeta!.labels["pod"], "cart-1");
  const first = events[0]!.event.value!.event;
  assert.ok(first.case === "requestInit");
  assert.deepEqual(first.value.headers!.headers[0]!.value, { case: "valueStr", value: "b" });

  const calls = new Calls();
  const [none, still, call] = events.map((event) => calls.add(event));
  assert.equal(none ?? still, undefined);
  const { source, destination, method, path, status, grpcStatus, ok, latencyMs, tls } = call!;
  assert.deepEqual(
    { source, destination, method, path, status, grpcStatus, ok, latencyMs, tls },
    {
      source: "deploy/pay",
      destination: "deploy/cart",
      method: "POST",
      path: "/add?x=1",
      status: 200,
      grpcStatus: 2,
      ok: false,
      latencyMs: 5.5,
      tls: true,
    },
  );
});

test("addresses of both families", () => {
  const six = (first: bigint, last: bigint) =>
    printIp({ ip: { ip: { case: "ipv6", value: { first, last } } }, port: 0 } as never);
  assert.equal(printIp(address(255, 1) as never), "10.0.0.255");
  assert.equal(six(0x20010db800000000n, 1n), "2001:db8::1");
  assert.equal(six(0n, 1n), "::1");
  assert.equal(six(0n, 0n), "::");
  assert.equal(six(0xfe80000000000000n, 0x0001000200030004n), "fe80::1:2:3:4");
  assert.equal(six(0xff01000200030004n, 0x0005000600070000n), "ff01:2:3:4:5:6:7:0");
});
