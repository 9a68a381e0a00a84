// The mesh of a cluster as verbs see it: gRPC to its control plane and to viz over forwarded ports, resources from the
// API server. A port is forwarded when something first asks for it, and for as long as the command runs.

import { Destination } from "../../proto/gen/destination_pb.js";
import { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import { Api } from "../../proto/gen/viz/viz_pb.js";
import { create } from "@bufbuild/protobuf";
import type { TapByResourceRequest } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapByResourceRequestSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import { fetchInstallation } from "../control/installation.ts";
import { trustDomainOf } from "../control/values.ts";
import { Body } from "../io/body.ts";
import type { SocketAddr } from "../io/conn.ts";
import { HttpRsp } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";
import { header } from "../wire/headers.ts";
import { mayNotTap, reviewTap } from "../viz/tapauth.ts";
import type { Named } from "../viz/world.ts";
import { kubeResources } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Kind } from "../platform/kinds.ts";
import { forwardPort } from "../platform/portforward.ts";
import { readText } from "../viz/scrape.ts";
import { watchWorld } from "../viz/world.ts";
import { needCluster } from "./cluster.ts";
import type { Globals } from "./command.ts";
import { firstAnswers, parseAddr, serviceAt, tapOver, versionPage } from "./localmesh.ts";
import type { PodItem } from "./kubeparts.ts";
import { isReady } from "./running.ts";
import type { ControlPlane, Mesh } from "./mesh.ts";

const PORTS = { destination: 8086, policy: 8090, metricsApi: 8085, web: 8084 } as const;
/** Ports that are tried for the dashboard when the first is taken. */
const PORTS_TRIED = 20;
const CALL_MS = 10_000;

/** Kinds that nobody misses who may not read them. */
const POLICIES: readonly Kind[] = [
  "ServerAuthorization",
  "AuthorizationPolicy",
  "PolicyHTTPRoute",
  "HTTPRoute",
];

/** The mesh of the cluster that the kubeconfig names. What it has not is missed when it is asked for. */
export function kubeMesh(globals: Globals, env: NodeJS.ProcessEnv): Mesh {
  const api = needCluster(globals, env);
  // Who may not read what was installed may still ask for metrics, and tap.
  const installation = lazily(() => fetchInstallation(api, globals.linkerdNamespace));
  // Nobody closes it: what it holds ends with the process, and holds no process.
  const scope = new Scope();
  const resources = kubeResources(api, { clock: systemClock, dispensable: POLICIES });
  const vizPods = { namespace: globals.vizNamespace, labels: VIZ };
  const viz = lazily(async () =>
    globals.apiAddr === undefined
      ? forward(api, vizPods, PORTS.metricsApi, scope)
      : parseAddr(globals.apiAddr),
  );
  return {
    defaultNamespace: api.access.namespace,
    trustDomain: async () => trustDomainOf((await installation()).values),
    clusterDomain: async () => (await installation()).values.clusterDomain,
    viz: firstAnswers(Api, viz),
    vizPage: async (path) => readText(await viz(), path, CALL_MS),
    controlPlane: (pod) => controlPlane(api, globals.linkerdNamespace, scope, pod),
    tap: async (init, each, until) => {
      const request = create(TapByResourceRequestSchema, init);
      try {
        await tapOver(throughApi(api), request, each, until);
      } catch (error) {
        if (!isAway(error)) throw explained(error, targetOf(request));
        // The API server cannot forward, so it is asked whether it would: proxies show calls to no one else.
        const service = serviceAt(await viz());
        await reviewTap(api, targetOf(request));
        await tapOver(service, request, each, until);
      }
    },
    reach: ({ namespace, name: pod }, port) => forwardPort(api, { namespace, pod, port }, scope),
    version: async () => (await installation()).values.linkerdVersion,
    dashboard: (ip, port, until) => dashboard(api, vizPods, { ip, port }, until),
    resources,
    world: () => watchWorld(resources).next(),
    controllerMetrics: (waitMs) => controllerMetrics(api, globals.linkerdNamespace, scope, waitMs),
    certificates: async () => ({
      anchors: (await installation()).trustAnchors,
      issuer: await issuerPem(api, globals.linkerdNamespace),
    }),
    local: undefined,
  };
}

const CONTROL = "linkerd.io/control-plane-component=destination";
const VIZ = "linkerd.io/extension=viz,component=metrics-api";

// What API servers answer for an extension that is not registered, or cannot be reached.
const AWAY = [404, 500, 502, 503, 504];

const isAway = (error: unknown): boolean =>
  error instanceof Fault && AWAY.includes(error.detail as number);

function explained(error: unknown, of: Named): unknown {
  const isRefused = error instanceof Fault && error.detail === 403;
  return isRefused ? mayNotTap(of, "you", error.message) : error;
}

function targetOf({ target }: TapByResourceRequest): Named {
  const { namespace = "", type = "", name = "" } = target?.resource ?? {};
  return { kind: type, namespace, name };
}

/** The API server as an HTTP service, for what is posted to it and answered by a stream. */
function throughApi(api: KubeApi): HttpService {
  return async (req) => {
    const bytes = await req.body.read(
      MOST_BYTES,
      () => new Fault("body-too-large", "the request is too large"),
    );
    const answer = await api.exchange(req.path, header(req.headers, "content-type")!, bytes);
    const body = Body.stream({
      resume: () => void answer.resume(),
      cancel: () => void answer.destroy(),
    });
    answer.on("data", (chunk: Buffer) => body.push(chunk) || answer.pause());
    answer.on("end", () => body.finish());
    answer.on("error", (error) => body.abort(Fault.from(error, "closed")));
    return new HttpRsp(answer.statusCode!, answer.rawHeaders, body);
  };
}

const MOST_BYTES = 1 << 20;

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** Pods with labels, in a namespace or in all. */
type Pods = { readonly namespace: string | undefined; readonly labels: string };

async function forward(
  api: KubeApi,
  { namespace: only, labels }: Pods,
  port: number,
  scope: Scope,
  listen?: SocketAddr,
): Promise<SocketAddr> {
  const path = only === undefined ? "/api/v1/pods" : `/api/v1/namespaces/${only}/pods`;
  const items = await api.list<PodItem>(path, labels);
  const running = items.filter(({ status }) => status.phase === "Running");
  // One that comes up, or goes down, may not listen.
  const [pod] = [...running.filter(isReady), ...running];
  if (!pod) {
    const isThere = items.length > 0;
    const where = only === undefined ? "the cluster" : `the namespace ${only}`;
    const hint =
      labels !== VIZ || isThere ? '"linkerd check" says more' : '"linkerd viz install" adds it';
    throw new Fault(
      isThere ? "unavailable" : "not-found",
      `no pod with the labels ${labels} ${isThere ? "runs yet" : `is in ${where}`}; ${hint}`,
    );
  }
  const { namespace, name } = pod.metadata;
  return forwardPort(api, { namespace, pod: name, port }, scope, listen);
}

function controlPlane(
  api: KubeApi,
  namespace: string,
  scope: Scope,
  pod: string | undefined,
): ControlPlane {
  const reach = (port: number) =>
    lazily(() =>
      pod === undefined
        ? forward(api, { namespace, labels: CONTROL }, port, scope)
        : forwardPort(api, { namespace, pod, port }, scope),
    );
  const policy = reach(PORTS.policy);
  return {
    destination: firstAnswers(Destination, reach(PORTS.destination)),
    inbound: firstAnswers(InboundServerPolicies, policy),
    outbound: firstAnswers(OutboundPolicies, policy),
  };
}

async function dashboard(api: KubeApi, pods: Pods, addr: SocketAddr, until: Scope) {
  const own = new Scope();
  try {
    const at = await forwardNear(api, pods, own, addr);
    await versionPage(at);
    until.defer(() => own.close());
    return `http://${at.ip}:${at.port}`;
  } catch (error) {
    await own.close();
    throw error;
  }
}

// The port that was asked for, or the next that is free.
async function forwardNear(api: KubeApi, pods: Pods, scope: Scope, { ip, port }: SocketAddr) {
  for (let next = port; ; next++) {
    try {
      return await forward(api, pods, PORTS.web, scope, { ip, port: next });
    } catch (error) {
      if (Fault.from(error).code !== "in-use" || next >= port + PORTS_TRIED) throw error;
    }
  }
}

async function controllerMetrics(api: KubeApi, namespace: string, scope: Scope, waitMs: number) {
  const items = await api.list<PodItem>(
    `/api/v1/namespaces/${namespace}/pods`,
    "linkerd.io/control-plane-component",
  );
  return items.flatMap(({ metadata, spec }) =>
    spec.containers.flatMap(({ name, ports = [] }) => {
      const port = ports.find((each) => each.name?.endsWith("-admin"))?.containerPort;
      if (port === undefined) return [];
      const target = { namespace, pod: metadata.name, port };
      const text = forwardPort(api, target, scope).then((addr) =>
        readText(addr, "/metrics", waitMs),
      );
      return [{ pod: metadata.name, container: name, text }];
    }),
  );
}

// Who may not read secrets still sees everything else.
async function issuerPem(api: KubeApi, namespace: string): Promise<string | undefined> {
  type Secret = { readonly data?: Readonly<Record<string, string>> };
  const path = `/api/v1/namespaces/${namespace}/secrets/linkerd-identity-issuer`;
  const { data } = await api.request<Secret>(path).catch((): Secret => ({}));
  const text = data?.["crt.pem"] ?? data?.["tls.crt"];
  return text === undefined ? undefined : Buffer.from(text, "base64").toString();
}
