// The kinds of resources that the mesh reads, as a table: what an API server calls them, in which versions
// manifests may come, and their shape, from which the TypeScript types follow.

import * as core from "./coreshapes.ts";
import * as policy from "./policyshapes.ts";
import * as profiles from "./profileshapes.ts";
import * as routes from "./routeshapes.ts";
import type { Of, Shape } from "./shape.ts";

/** One kind of resources. */
export type Row<K extends string, S> = {
  /** The name in `kind:`. */
  readonly kind: K;
  /** The API group; "" for the core. */
  readonly group: string;
  /** Accepted versions, the one to ask an API server for first. */
  readonly versions: readonly string[];
  readonly plural: string;
  readonly namespaced: boolean;
  readonly shape: S;
};

const APPS = "apps";
const POLICY = "policy.linkerd.io";
const GATEWAY = "gateway.networking.k8s.io";

/** A row of such a table; `versions` separated by blanks. */
export function row<const K extends string, S extends Shape<unknown>>(
  kind: K,
  group: string,
  versions: string,
  plural: string,
  shape: S,
  namespaced = true,
): Row<K, S> {
  return { kind, group, versions: versions.split(" "), plural, namespaced, shape };
}

/** Every kind, by our name for it: that of Kubernetes, but for the HTTPRoute of policy.linkerd.io. */
export const KINDS = {
  Namespace: row("Namespace", "", "v1", "namespaces", core.namespace, false),
  Node: row("Node", "", "v1", "nodes", core.node, false),
  Pod: row("Pod", "", "v1", "pods", core.pod),
  Service: row("Service", "", "v1", "services", core.service),
  ServiceAccount: row("ServiceAccount", "", "v1", "serviceaccounts", core.serviceAccount),
  ConfigMap: row("ConfigMap", "", "v1", "configmaps", core.configMap),
  Secret: row("Secret", "", "v1", "secrets", core.secret),
  EndpointSlice: row(
    "EndpointSlice",
    "discovery.k8s.io",
    "v1",
    "endpointslices",
    core.endpointSlice,
  ),
  Deployment: row("Deployment", APPS, "v1", "deployments", core.workload),
  ReplicaSet: row("ReplicaSet", APPS, "v1", "replicasets", core.workload),
  StatefulSet: row("StatefulSet", APPS, "v1", "statefulsets", core.workload),
  DaemonSet: row("DaemonSet", APPS, "v1", "daemonsets", core.workload),
  Job: row("Job", "batch", "v1", "jobs", core.job),
  ExternalWorkload: row(
    "ExternalWorkload",
    "workload.linkerd.io",
    "v1beta1 v1alpha1",
    "externalworkloads",
    policy.externalWorkload,
  ),
  ServiceProfile: row(
    "ServiceProfile",
    "linkerd.io",
    "v1alpha2 v1alpha1",
    "serviceprofiles",
    profiles.serviceProfile,
  ),
  TrafficSplit: row(
    "TrafficSplit",
    "split.smi-spec.io",
    "v1alpha2 v1alpha1 v1alpha3 v1alpha4",
    "trafficsplits",
    profiles.trafficSplit,
  ),
  Server: row("Server", POLICY, "v1beta3 v1beta2 v1beta1 v1alpha1", "servers", policy.server),
  ServerAuthorization: row(
    "ServerAuthorization",
    POLICY,
    "v1beta1 v1alpha1",
    "serverauthorizations",
    policy.serverAuthorization,
  ),
  AuthorizationPolicy: row(
    "AuthorizationPolicy",
    POLICY,
    "v1alpha1",
    "authorizationpolicies",
    policy.authorizationPolicy,
  ),
  MeshTLSAuthentication: row(
    "MeshTLSAuthentication",
    POLICY,
    "v1alpha1",
    "meshtlsauthentications",
    policy.meshTLSAuthentication,
  ),
  NetworkAuthentication: row(
    "NetworkAuthentication",
    POLICY,
    "v1alpha1",
    "networkauthentications",
    policy.networkAuthentication,
  ),
  HTTPLocalRateLimitPolicy: row(
    "HTTPLocalRateLimitPolicy",
    POLICY,
    "v1alpha1",
    "httplocalratelimitpolicies",
    policy.httpLocalRateLimitPolicy,
  ),
  EgressNetwork: row("EgressNetwork", POLICY, "v1alpha1", "egressnetworks", policy.egressNetwork),
  PolicyHTTPRoute: row(
    "HTTPRoute",
    POLICY,
    "v1beta3 v1beta2 v1beta1 v1alpha1",
    "httproutes",
    routes.httpRoute,
  ),
  HTTPRoute: row("HTTPRoute", GATEWAY, "v1 v1beta1", "httproutes", routes.httpRoute),
  GRPCRoute: row("GRPCRoute", GATEWAY, "v1 v1alpha2", "grpcroutes", routes.grpcRoute),
  TLSRoute: row("TLSRoute", GATEWAY, "v1alpha2 v1alpha3 v1", "tlsroutes", routes.tlsRoute),
  TCPRoute: row("TCPRoute", GATEWAY, "v1alpha2 v1", "tcproutes", routes.tcpRoute),
} as const;

export type Kind = keyof typeof KINDS;

/** All kinds, in the order of the table. */
export const kinds = Object.keys(KINDS) as readonly Kind[];

/** A resource of kind K: its words are Kubernetes' own, its absent maps and lists are empty ones. */
export type Resource<K extends Kind = Kind> = {
  [P in K]: { readonly apiVersion: string; readonly kind: (typeof KINDS)[P]["kind"] } & Of<
    (typeof KINDS)[P]["shape"]
  >;
}[K];

export type Metadata = Of<typeof core.metadata>;
export type LabelSelector = Of<typeof core.labelSelector>;
export type Condition = Of<typeof core.condition>;
export type Pod = Resource<"Pod">;
export type PodSpec = Pod["spec"];
export type PodStatus = NonNullable<Pod["status"]>;
export type Container = PodSpec["containers"][number];
export type ContainerStatus = PodStatus["containerStatuses"][number];
export type Probe = NonNullable<Container["readinessProbe"]>;
export type PodTemplate = Resource<"Deployment">["spec"]["template"];
export type Service = Resource<"Service">;
export type EndpointSlice = Resource<"EndpointSlice">;
export type HttpRoute = Resource<"HTTPRoute"> | Resource<"PolicyHTTPRoute">;
export type GrpcRoute = Resource<"GRPCRoute">;

/** Our name for `kind` of `apiVersion`; undefined when we do not read it. */
export function kindOf(apiVersion: string, kind: string): Kind | undefined {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  return kinds.find((k) => KINDS[k].kind === kind && KINDS[k].group === group);
}

/** "group/version" as an API server wants it. */
export function apiVersionOf(kind: Kind): string {
  const { group, versions } = KINDS[kind];
  return group === "" ? versions[0]! : `${group}/${versions[0]!}`;
}

/** Our name for the kind of a resource that was read. */
export function kindOfResource(resource: Resource): Kind {
  return kindOf(resource.apiVersion, resource.kind)!;
}

/** "namespace/name", or the name alone for what has no namespace. */
export function keyOf(resource: { readonly metadata: Metadata }): string {
  const { namespace, name } = resource.metadata;
  return namespace === "" ? name : `${namespace}/${name}`;
}

/** Whether `labels` are what the selector asks for (an empty selector takes all). */
export function selects(
  selector: LabelSelector,
  labels: Readonly<Record<string, string>>,
): boolean {
  return (
    hasLabels(labels, selector.matchLabels) &&
    selector.matchExpressions.every(({ key, operator, values }) => {
      const value = labels[key];
      switch (operator) {
        case "In":
          return value !== undefined && values.includes(value);
        case "NotIn":
          return value === undefined || !values.includes(value);
        case "Exists":
          return value !== undefined;
        case "DoesNotExist":
          return value === undefined;
      }
    })
  );
}

/** Whether `labels` hold every pair of `wanted`. */
export function hasLabels(
  labels: Readonly<Record<string, string>>,
  wanted: Readonly<Record<string, string>>,
): boolean {
  for (const key in wanted) if (labels[key] !== wanted[key]) return false;
  return true;
}
