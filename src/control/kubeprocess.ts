// What every program of the control plane on Kubernetes starts with: the API server, what the installation chose, and
// an identity of its own, all from files that a pod has.

import { existsSync } from "node:fs";
import { parse } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import { systemRandom } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import { combine } from "../base/watch.ts";
import type { Credentials } from "../io/tls.ts";
import { watchFile } from "../name/file.ts";
import { parseCidr } from "../platform/cidr.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { findKubeconfig, inCluster, isInCluster, readKubeconfig } from "../platform/kubeconfig.ts";
import type { AccessPolicy } from "../platform/policyshapes.ts";
import { identityOf } from "../platform/sidecar.ts";
import { type Env, parseSettings } from "../proxy/env.ts";
import { identify } from "../proxy/identify.ts";
import type { Installation } from "./injectproxy.ts";
import { identityDomainOf, proxyEnv } from "./proxyenv.ts";
import { readValues, type Values } from "./values.ts";
import { DEFAULT_SETTINGS, type MeshSettings } from "./world.ts";

const clock = systemClock;

/** Where charts mount what a program reads. */
export const FILES = {
  values: "/var/run/linkerd/config/values",
  anchors: "/var/run/linkerd/identity/trust-roots/ca-bundle.crt",
  issuer: "/var/run/linkerd/identity/issuer",
  token: "/var/run/secrets/tokens/linkerd-identity-token",
  webhook: (name: string) => `/var/run/linkerd/tls/${name}`,
};

/** Resolves at SIGTERM or SIGINT. */
function toldToStop(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
}

/** Runs a program until it is told to stop; resolves to the exit code. What `start` hangs on the scope is closed then, and
 * when it fails; a program that is no service says that it is over. */
export async function untilStopped(
  env: Env,
  start: (scope: Scope) => Promise<void | "over">,
): Promise<number> {
  log.filter = env["LINKERD_LOG"] ?? "info";
  const stopped = toldToStop();
  const scope = new Scope();
  try {
    if ((await start(scope)) !== "over") await stopped;
  } finally {
    await scope.close();
  }
  return 0;
}

/** The API server of the pod that this is, or of KUBECONFIG. */
export function findApi(env: Env): KubeApi {
  if (isInCluster(env)) return new KubeApi(inCluster(env));
  const paths = findKubeconfig({}, env);
  if (paths.length === 0)
    throw new Fault(
      "not-found",
      "there is no API server: this is no pod, and KUBECONFIG is not set",
    );
  return new KubeApi(readKubeconfig(paths, {}, env));
}

/** What the installation chose, from its mounted ConfigMaps. */
export function watchInstallation(namespace: string): Watch<Installation> {
  const files = [FILES.values, FILES.anchors].map((path) => watchFile(path, clock));
  return combine(files).map(([config, trustAnchors]) => {
    if (config === undefined || !trustAnchors)
      throw new Fault("not-found", `${FILES.values} or ${FILES.anchors} is missing`);
    const { values, mistakes } = readValues(parse(config));
    for (const mistake of mistakes)
      log.logger("controller").warn("a value is not as expected", { mistake });
    return { values, namespace, trustAnchors };
  });
}

/** Credentials of a service account of `accountNamespace`, certified by the identity service, as any workload: with the variables that a sidecar of ours would get. */
export async function ownIdentity(
  account: string,
  accountNamespace: string,
  installation: Installation,
  scope: Scope,
  registry: Registry,
): Promise<Watch<Credentials>> {
  const vars = proxyEnv({ spec: { containers: [] } }, installation);
  const known = Object.fromEntries(vars.map(({ name, value }) => [name, value]));
  const settings = parseSettings({
    ...known,
    LINKERD2_PROXY_IDENTITY_DIR: undefined,
    // Pods of other namespaces cannot mount it, and keep to the roots that they were started with.
    ...(existsSync(FILES.anchors) && { LINKERD_PROXY_TRUST_ANCHORS_FILE: FILES.anchors }),
    LINKERD2_PROXY_IDENTITY_TOKEN_FILE: FILES.token,
    LINKERD2_PROXY_IDENTITY_LOCAL_NAME: identityOf(
      account,
      accountNamespace,
      identityDomainOf(installation),
    ),
  });
  const parts = { settings, clock, random: systemRandom, registry, scope };
  return (await identify(parts)).credentials;
}

/** How the control plane answers. */
export function settingsOf(installation: Installation): MeshSettings {
  const { values } = installation;
  const cidrs = (texts: readonly string[]) =>
    texts.map((text) => parseCidr(text.trim())).filter((cidr) => cidr !== undefined);
  const probeNetworks = cidrs(values.policyController.probeNetworks);
  return {
    ...DEFAULT_SETTINGS,
    ...identityDomainOf(installation),
    clusterDomain: values.clusterDomain,
    clusterNetworks: cidrs(values.clusterNetworks.split(",")),
    defaultInboundPolicy: values.proxy.defaultInboundPolicy as AccessPolicy,
    opaquePorts: portsOf(values),
    enableH2Upgrade: values.enableH2Upgrade,
    disableIPv6: values.disableIPv6,
    outboundTransportMode: values.proxy.outboundTransportMode,
    globalEgressNamespace: values.egress.globalEgressNetworkNamespace,
    allowL5dRequestHeaders: hasFlag(values.policyController, "allow-l5d-request-headers"),
    extEndpointZoneWeights: hasFlag(values.destinationController, "ext-endpoint-zone-weights"),
    ...(probeNetworks.length > 0 && { probeNetworks }),
  };
}

// Flags of Linkerd's own programs, as a chart hands them on.
const hasFlag = ({ additionalArgs }: { additionalArgs: readonly string[] }, name: string) =>
  additionalArgs.some((arg) => arg.replace(/^--?|=true$/g, "") === name);

function portsOf({ proxy }: Values): ReadonlySet<number> {
  return new Set(
    proxy.opaquePorts.split(",").flatMap((word) => {
      const [low = 0, high = low] = word.split("-").map(Number);
      return Array.from({ length: high - low + 1 }, (_, i) => low + i);
    }),
  );
}
