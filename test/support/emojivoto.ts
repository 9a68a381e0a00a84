// Emojivoto as viz would know it: its resources, and what its proxies say of their traffic, in numbers that add up.

import assert from "node:assert/strict";
import type { Watch } from "../../src/base/watch.ts";
import type { Resource } from "../../src/platform/kinds.ts";
import { resourceOf } from "../../src/platform/manifests.ts";
import { Store as Resources } from "../../src/platform/store.ts";
import { Store } from "../../src/viz/store.ts";
import type { World } from "../../src/viz/world.ts";
import { watchWorld } from "../../src/viz/world.ts";

export const ns = "emojivoto";
const identity = (name: string): string =>
  `${name}.${ns}.serviceaccount.identity.linkerd.cluster.local`;

function workload(name: string): Resource[] {
  const metadata = { name, namespace: ns, labels: { app: name } };
  const labels = {
    app: name,
    "linkerd.io/control-plane-ns": "linkerd",
    "linkerd.io/proxy-deployment": name,
  };
  const containers = [{ name: "server" }, { name: "linkerd-proxy", image: "proxy:v9" }];
  return [
    resourceOf("Deployment", { metadata, spec: { template: { spec: { containers } } } }),
    resourceOf("Service", {
      metadata: { name: `${name}-svc`, namespace: ns },
      spec: { selector: { app: name }, ports: [{ port: 8080 }] },
    }),
    resourceOf("Pod", {
      metadata: { name: `${name}-1`, namespace: ns, labels },
      spec: { containers, serviceAccountName: name },
      status: { phase: "Running", podIP: `10.0.0.${name.length}` },
    }),
  ];
}

const resources = new Resources([
  resourceOf("Namespace", { metadata: { name: ns } }),
  ...["web", "emoji", "voting", "vote-bot"].flatMap(workload),
  resourceOf("Server", {
    metadata: { name: "web-http", namespace: ns },
    spec: { podSelector: {}, port: 80 },
  }),
  resourceOf("ServiceProfile", {
    metadata: { name: `voting-svc.${ns}.svc.cluster.local`, namespace: ns },
    spec: { routes: [{ name: "POST /Vote", condition: { pathRegex: "/Vote" } }] },
  }),
]);

export const world: Watch<World> = watchWorld({
  watch: (kind) => resources.watch(kind),
  reviewToken: () => assert.fail(),
  writeStatus: () => assert.fail(),
});

// As the server does: a watch knows nothing while nobody looks.
world.observe(() => {});
/** The world at this moment. */
export const seen = await world.next();

/** The metrics of all proxies after a round of traffic. */
export function metricsOf(): Store {
  const metrics = new Store(1000);
  for (const scale of [0, 1]) {
    metrics.turn();
    for (const [name, text] of Object.entries(proxies(scale)))
      metrics.take(name, seen.pods.find((pod) => pod.name === `${name}-1`)!.metricLabels, text);
  }
  return metrics;
}

type Numbers = { ok: number; bad?: number; ms?: number; open?: number };

// What a proxy says of one peer: counters, a histogram with all samples at `ms`, a gauge.
function say(labels: string, { ok, bad = 0, ms = 1, open = 0 }: Numbers, prefix = ""): string {
  const bounds = [1, 10, 100, Infinity].map((le) => {
    const n = ms <= le ? ok + bad : 0;
    return `${prefix}response_latency_ms_bucket{${labels},le="${le === Infinity ? "+Inf" : le}"} ${n}`;
  });
  const peer = labels.includes("inbound") ? "src" : "dst";
  return [
    `${prefix}response_total{${labels},classification="success"} ${ok}`,
    `${prefix}response_total{${labels},classification="failure"} ${bad}`,
    ...bounds,
    ...(prefix ? [] : [`tcp_open_connections{${labels},peer="${peer}"} ${open}`]),
    ...(prefix ? [] : [`tcp_read_bytes_total{${labels},peer="${peer}"} ${ok * 10}`]),
    "",
  ].join("\n");
}

const to = (name: string): string =>
  `direction="outbound",tls="true",server_id="${identity(name)}",dst_namespace="${ns}",dst_deployment="${name}",dst_pod="${name}-1",dst_service="${name}-svc"`;
const from = (name: string): string =>
  `direction="inbound",tls="true",client_id="${identity(name)}"`;
const probe = 'direction="inbound",route_name="probe",tls="no_identity"';
const routed = (direction: string, route: string): string =>
  `direction="${direction}",dst="voting-svc.${ns}.svc.cluster.local:8080",rt_route="${route}"`;

type Ends = Readonly<Record<string, number>>;

// How often the responses of a backend, or of a route when it has none, ended in which way, in 50 ms for each.
function ended(protocol: "http" | "grpc", service: string, ends: Ends, backend?: string): string {
  const route = `parent_name="${service}",parent_port="8080",route_name="list",route_kind="HTTPRoute"`;
  const labels = backend ? `${route},backend_name="${backend}",backend_port="8080"` : route;
  const what = backend ? "backend_response" : "request";
  const family = `outbound_${protocol}_route_${what}`;
  const all = Object.values(ends).reduce((sum, value) => sum + value, 0);
  return [
    ...Object.entries(ends).map(([end, value]) => {
      const [status, error] = /^(\d+|OK)$/.test(end) ? [end, ""] : ["", end];
      const how = `${protocol}_status="${status}",error="${error}"`;
      return `${family}_statuses_total{${labels},${how}} ${value}`;
    }),
    ...["0.05", "+Inf"].map(
      (le) => `${family}_duration_seconds_bucket{${labels},le="${le}"} ${all}`,
    ),
    "",
  ].join("\n");
}

/** The metrics of each workload's proxy after `scale` rounds of the same traffic. */
export function proxies(scale: number): Record<string, string> {
  const n = (value: number): number => value * scale;
  return {
    web:
      say(from("vote-bot"), { ok: n(90), bad: n(10), ms: 10, open: 1 }) +
      say('direction="inbound",tls="no_identity",no_tls_reason="no_tls_from_remote"', {
        ok: n(6),
        open: 2,
      }) +
      say(to("emoji"), { ok: n(100), open: 1 }) +
      say(to("voting"), { ok: n(40), bad: n(10), open: 1 }) +
      say(routed("outbound", "POST /Vote"), { ok: n(45), bad: n(5) }, "route_") +
      ended("http", "emoji-svc", { 200: n(60), 503: n(20), REQUEST_TIMEOUT: n(20) }) +
      ended("http", "emoji-svc", { 200: n(60), 503: n(60) }, "emoji-a") +
      ended("http", "emoji-svc", { 200: n(30) }, "emoji-b") +
      `outbound_http_route_retry_requests_total{parent_name="emoji-svc",parent_port="8080",route_name="list",route_kind="HTTPRoute"} ${n(100)}\n` +
      ended("grpc", "voting-svc", { OK: n(30), UNAVAILABLE: n(10) }) +
      `route_actual_response_total{${routed("outbound", "POST /Vote")},classification="success"} ${n(45)}\n` +
      `route_actual_response_total{${routed("outbound", "POST /Vote")},classification="failure"} ${n(15)}\n` +
      `inbound_http_authz_allow_total{srv_kind="server",srv_name="web-http",authz_kind="authorizationpolicy",authz_name="bots"} ${n(96)}\n` +
      `inbound_http_authz_deny_total{srv_kind="server",srv_name="web-http"} ${n(6)}\n`,
    emoji: say(from("web"), { ok: n(100), open: 1 }) + say(probe, { ok: n(5), bad: n(5) }),
    voting:
      say(from("web"), { ok: n(40), bad: n(10), open: 1 }) +
      say(routed("inbound", "POST /Vote"), { ok: n(40), bad: n(10) }, "route_"),
    "vote-bot":
      say(probe, { ok: n(5) }) +
      say(to("web"), { ok: n(90), bad: n(10), ms: 10, open: 1 }) +
      'tcp_open_connections{direction="outbound",peer="dst",tls="no_identity",no_tls_reason="not_provided_by_service_discovery",dst_namespace="other",dst_deployment="db"} 1\n',
  };
}
