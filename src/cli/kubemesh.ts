// The mesh of a cluster as verbs see it: gRPC to its control plane and to viz over forwarded ports, resources from the
// API server. A port is forwarded when something first asks for it, and for as long as the command runs.

import { Destination } from "../../proto/gen/destination_pb.js";
import { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import { Api } from "../../proto/gen/viz/viz_pb.js";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import { fetchInstallation } from "../control/installation.ts";
import { trustDomainOf } from "../control/values.ts";
import type { SocketAddr } from "../io/conn.ts";
import { kubeResources } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Kind } from "../platform/kinds.ts";
import { forwardPort } from "../platform/portforward.ts";
import { readText } from "../viz/scrape.ts";
import { watchWorld } from "../viz/world.ts";
import { needCluster } from "./cluster.ts";
import type { Globals } from "./command.ts";
import { firstAnswers, serviceAt, tapOver, versionPage } from "./localmesh.ts";
import type { Client, Mesh } from "./mesh.ts";

type Pods = {
  readonly items: readonly {
    readonly metadata: { readonly namespace: string; readonly name: string };
    readonly status: { readonly phase: string };
    readonly spec: {
      readonly containers: readonly {
        readonly name: string;
        readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
      }[];
    };
  }[];
};

const PORTS = { destination: 8086, policy: 8090, metricsApi: 8085, web: 8084 } as const;
const DASHBOARD_PORT = 50_750;
const CALL_MS = 10_000;

/** Kinds that the pictures of viz are made of. */
const KINDS: readonly Kind[] = [
  "Namespace",
  "Pod",
  "Service",
  "Deployment",
  "StatefulSet",
  "DaemonSet",
  "ReplicaSet",
  "Job",
  "ServiceProfile",
  "Server",
];

/** The mesh of the cluster that the kubeconfig names; rejects when it has no control plane. */
export async function kubeMesh(globals: Globals, env: NodeJS.ProcessEnv): Promise<Mesh> {
  const api = needCluster(globals, env);
  const installation = await fetchInstallation(api, globals.linkerdNamespace);
  // Nobody closes it: what it holds ends with the process, and holds no process.
  const scope = new Scope();
  const resources = kubeResources(api, { clock: systemClock, kinds: KINDS });
  const destination = lazily(() =>
    forward(api, "linkerd.io/control-plane-component=destination", PORTS.destination, scope),
  );
  const policy = lazily(() =>
    forward(api, "linkerd.io/control-plane-component=destination", PORTS.policy, scope),
  );
  const viz = lazily(() => forward(api, VIZ, PORTS.metricsApi, scope));
  return {
    defaultNamespace: api.access.namespace,
    trustDomain: trustDomainOf(installation.values),
    viz: answers(Api, viz),
    destination: answers(Destination, destination),
    inbound: answers(InboundServerPolicies, policy),
    outbound: answers(OutboundPolicies, policy),
    tap: async (request, each, until) => tapOver(serviceAt(await viz()), request, each, until),
    version: async () => installation.values.linkerdVersion,
    dashboard: async () => {
      const held = await forward(api, VIZ, PORTS.web, scope, DASHBOARD_PORT);
      await versionPage(held);
      return `http://localhost:${held.port}`;
    },
    resources,
    world: () => watchWorld(resources).next(),
    controllerMetrics: () => controllerMetrics(api, globals.linkerdNamespace, scope),
    certificates: async () => ({
      anchors: installation.trustAnchors,
      issuer: await issuerPem(api, globals.linkerdNamespace),
    }),
    local: undefined,
  };
}

const VIZ = "linkerd.io/extension=viz,component=metrics-api";

function lazily<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

// The client's address is not known before it is asked.
function answers<S extends Parameters<typeof firstAnswers>[0]>(
  desc: S,
  addr: () => Promise<SocketAddr>,
): Client<S> {
  const call = (name: string) => async (request: unknown) => {
    const client = firstAnswers(desc, await addr()) as unknown as Record<
      string,
      (r: unknown) => unknown
    >;
    return client[name]!(request);
  };
  return Object.fromEntries(
    desc.methods.map(({ localName }) => [localName, call(localName)]),
  ) as unknown as Client<S>;
}

async function forward(
  api: KubeApi,
  selector: string,
  port: number,
  scope: Scope,
  listenPort = 0,
): Promise<SocketAddr> {
  const { items } = await api.request<Pods>(
    `/api/v1/pods?labelSelector=${encodeURIComponent(selector)}`,
  );
  const pod = items.find(({ status }) => status.phase === "Running");
  if (!pod) {
    const hint = selector === VIZ ? '"linkerd viz install" adds it' : '"linkerd check" says more';
    throw new Fault(
      "unavailable",
      `no pod with the labels ${selector} runs in the cluster; ${hint}`,
    );
  }
  const { namespace, name } = pod.metadata;
  return forwardPort(api, { namespace, pod: name, port }, scope, listenPort);
}

async function controllerMetrics(api: KubeApi, namespace: string, scope: Scope) {
  const selector = encodeURIComponent("linkerd.io/control-plane-component");
  const { items } = await api.request<Pods>(
    `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector}`,
  );
  return items.flatMap(({ metadata, spec }) =>
    spec.containers.flatMap(({ name, ports = [] }) => {
      const port = ports.find((each) => each.name?.endsWith("-admin"))?.containerPort;
      if (port === undefined) return [];
      const target = { namespace, pod: metadata.name, port };
      const text = forwardPort(api, target, scope).then((addr) =>
        readText(addr, "/metrics", CALL_MS),
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
