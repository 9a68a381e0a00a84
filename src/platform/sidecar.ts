// A sidecar of the local mesh: the environment that the proxy is started with, from the pod's place in the
// network and its annotations. What the injector writes into a manifest on Kubernetes, this says directly.

import { resolve } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Env } from "./state.ts";
import type { Container } from "./kinds.ts";
import type { Attachment } from "./network.ts";
import type { PodFacts } from "./podplan.ts";

/** The mesh that a sidecar belongs to. */
export type SidecarOptions = {
  /** The command line of the proxy. */
  readonly argv: readonly string[];
  /** Addresses of the control plane, host:port. */
  readonly destination: string;
  readonly policy: string;
  readonly identity: string;
  readonly trustDomain: string;
  readonly clusterNetworks: string;
  /** PEM of the trust anchors, and the file that has it. */
  readonly anchors: () => string;
  readonly anchorsFile: string;
};

export const SIDECAR = "linkerd-proxy";
export const CONTROL_NAMESPACE = "linkerd";
/** How Node runs what requests pass through. Nurseries of 4 MB instead of 16 cost no time and save 40 MB. V8 gets one
 * thread, not four: all share a processor with the one that serves. */
export const PROXY_ENV = { NODE_OPTIONS: "--max-semi-space-size=4 --v8-pool-size=1" } as const;
export const PORTS = { outbound: 4140, inbound: 4143, tap: 4190, admin: 4191 } as const;

// Annotations of a pod or its namespace (config.linkerd.io/…) and the variables that they set.
const ANNOTATIONS: Record<string, string> = {
  "proxy-cpu-limit": "CORES_MAX",
  "proxy-cpu-ratio-limit": "CORES_MAX_RATIO",
  "proxy-log-level": "LOG",
  "proxy-log-format": "LOG_FORMAT",
  "access-log": "ACCESS_LOG",
  "outbound-access-log": "LINKERD_PROXY_OUTBOUND_ACCESS_LOG",
  "default-inbound-policy": "INBOUND_DEFAULT_POLICY",
  "opaque-ports": "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
  "proxy-require-identity-inbound-ports": "INBOUND_PORTS_REQUIRE_IDENTITY",
  "proxy-outbound-connect-timeout": "OUTBOUND_CONNECT_TIMEOUT",
  "proxy-inbound-connect-timeout": "INBOUND_CONNECT_TIMEOUT",
  "proxy-outbound-discovery-cache-unused-timeout": "OUTBOUND_DISCOVERY_IDLE_TIMEOUT",
  "proxy-inbound-discovery-cache-unused-timeout": "INBOUND_DISCOVERY_IDLE_TIMEOUT",
  "shutdown-grace-period": "SHUTDOWN_GRACE_PERIOD",
};

/** The threads that a limit of processors is enough for: two for "1500m". Throws `bad-input`. */
export function wholeCores(cpu: string): string {
  const [, amount, milli] = /^(\d+(?:\.\d+)?)(m?)$/.exec(cpu.trim()) ?? [];
  if (amount === undefined)
    throw new Fault(
      "bad-input",
      `${JSON.stringify(cpu)}, expected processors such as "1" or "500m"`,
    );
  return String(Math.ceil(Number(amount) / (milli ? 1000 : 1)));
}

/** What identities end with: the mesh, by the namespace of its control plane, and its trust domain. */
export type IdentityDomain = { readonly controlNamespace?: string; readonly trustDomain: string };

/** The identity of a service account: what its certificates are made out to. "*" for all accounts of a namespace. */
export function identityOf(
  serviceAccount: string,
  namespace: string,
  { controlNamespace = CONTROL_NAMESPACE, trustDomain }: IdentityDomain,
): string {
  return `${serviceAccount}.${namespace}.serviceaccount.identity.${controlNamespace}.${trustDomain}`;
}

/** The identity that may tap. */
export function tapIdentity(domain: IdentityDomain): string {
  return identityOf("tap", "linkerd-viz", domain);
}

/** Variables of the proxy beside a pod whose secrets (token, key) lie in `dir`. */
export function sidecarEnv(
  options: SidecarOptions,
  facts: PodFacts,
  network: Attachment,
  dir: string,
  own: Env,
): Record<string, string> {
  const ports = facts.spec.containers.flatMap(({ ports: each }) =>
    each.map((p) => p.containerPort),
  );
  const env: Record<string, string> = {
    INBOUND_IPS: network.ip,
    INBOUND_PORTS: ports.join(","),
    DESTINATION_SVC_ADDR: options.destination,
    DESTINATION_SVC_NAME: identityOf("linkerd-destination", CONTROL_NAMESPACE, options),
    DESTINATION_CONTEXT: JSON.stringify({
      ns: facts.namespace,
      nodeName: facts.nodeName,
      pod: facts.name,
    }),
    DESTINATION_PROFILE_NETWORKS: options.clusterNetworks,
    POLICY_SVC_ADDR: options.policy,
    POLICY_SVC_NAME: identityOf("linkerd-destination", CONTROL_NAMESPACE, options),
    POLICY_WORKLOAD: JSON.stringify({ ns: facts.namespace, pod: facts.name }),
    POLICY_CLUSTER_NETWORKS: options.clusterNetworks,
    IDENTITY_SVC_ADDR: options.identity,
    IDENTITY_SVC_NAME: identityOf("linkerd-identity", CONTROL_NAMESPACE, options),
    IDENTITY_DIR: resolve(dir, "identity"),
    IDENTITY_TOKEN_FILE: resolve(dir, "token"),
    IDENTITY_TRUST_ANCHORS: options.anchors(),
    IDENTITY_LOCAL_NAME: identityOf(facts.spec.serviceAccountName, facts.namespace, options),
    TAP_SVC_NAME: tapIdentity(options),
  };
  for (const [annotation, variable] of Object.entries(ANNOTATIONS)) {
    const value = facts.annotations[`config.linkerd.io/${annotation}`];
    if (value === undefined) continue;
    try {
      env[variable] = variable === "CORES_MAX" ? wholeCores(value) : value;
    } catch (cause) {
      const why = Fault.from(cause).message;
      throw new Fault("bad-input", `the annotation config.linkerd.io/${annotation}: ${why}`);
    }
  }
  return {
    ...Object.fromEntries(
      Object.entries(env).map(([k, v]) => [
        k.startsWith("LINKERD_") ? k : `LINKERD2_PROXY_${k}`,
        v,
      ]),
    ),
    PATH: own["PATH"] ?? "",
    ...PROXY_ENV,
    // Compiled once for all sidecars.
    ...(own["NODE_COMPILE_CACHE"] && { NODE_COMPILE_CACHE: own["NODE_COMPILE_CACHE"] }),
    LINKERD_PROXY_TRUST_ANCHORS_FILE: options.anchorsFile,
    ...network.sidecar,
  };
}

/** The sidecar as a container: its ports and probes. */
export function sidecarSpec(): Container {
  return {
    name: SIDECAR,
    image: "linkerd-proxy:local",
    env: [],
    envFrom: [],
    ports: [
      { name: "linkerd-proxy", containerPort: PORTS.inbound, protocol: "TCP" },
      { name: "linkerd-admin", containerPort: PORTS.admin, protocol: "TCP" },
    ],
    readinessProbe: httpProbe("/ready", PORTS.admin),
    livenessProbe: {
      ...httpProbe("/live", PORTS.admin),
      initialDelaySeconds: 10,
      failureThreshold: 6,
    },
  };
}

/** A probe of a program of the mesh itself, every two seconds. */
export function httpProbe(path: string, port: number) {
  return {
    httpGet: { path, port, scheme: "HTTP" as const, httpHeaders: [] },
    initialDelaySeconds: 0,
    periodSeconds: 2,
    timeoutSeconds: 1,
    successThreshold: 1,
    failureThreshold: 3,
  };
}

/** What the mesh adds to the labels of a pod that has a sidecar, so that others know it as meshed. */
export function meshLabels(namespace: string, owner: { kind: string; name: string } | undefined) {
  return {
    "linkerd.io/control-plane-ns": CONTROL_NAMESPACE,
    "linkerd.io/workload-ns": namespace,
    ...(owner && { [`linkerd.io/proxy-${owner.kind.toLowerCase()}`]: owner.name }),
  };
}
