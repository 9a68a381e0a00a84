// The control plane on Kubernetes, as one program with a few roles: `linkerd controller ROLE`. What an installation
// chose comes from the mounted ConfigMap `linkerd-config`, keys from mounted Secrets, everything else from the API.

import { createPrivateKey } from "node:crypto";
import { parse } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { systemRandom } from "../base/random.ts";
import { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import { combine } from "../base/watch.ts";
import { serveH1 } from "../io/h1server.ts";
import { listen } from "../io/listen.ts";
import type { Credentials } from "../io/tls.ts";
import { watchFile } from "../name/file.ts";
import { parseCidr } from "../platform/cidr.ts";
import { kubeResources } from "../platform/kube.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { findKubeconfig, inCluster, isInCluster, readKubeconfig } from "../platform/kubeconfig.ts";
import type { Kind } from "../platform/kinds.ts";
import type { AccessPolicy } from "../platform/policyshapes.ts";
import type { Resources } from "../platform/resources.ts";
import { admin } from "../proxy/admin.ts";
import { parseSettings } from "../proxy/env.ts";
import { identify } from "../proxy/identify.ts";
import { Serving } from "../proxy/serving.ts";
import { startController } from "./controller.ts";
import type { Installation } from "./injectproxy.ts";
import type { Issuer } from "./issuer.ts";
import { parseIssuer } from "./issuer.ts";
import { proxyEnv } from "./proxyenv.ts";
import { readValues, trustDomainOf, type Values } from "./values.ts";
import { injector, validator } from "./webhooks.ts";
import { serveWebhook } from "./webhook.ts";
import { DEFAULT_SETTINGS, type MeshSettings } from "./world.ts";

type Env = Readonly<Record<string, string | undefined>>;

type Context = {
  readonly env: Env;
  readonly scope: Scope;
  readonly api: KubeApi;
  readonly installation: Watch<Installation>;
  readonly first: Installation;
};

const clock = systemClock;
const logger = log.logger("controller");
const ANY = "0.0.0.0";
const GRACE_MS = 3000;

const FILES = {
  values: "/var/run/linkerd/config/values",
  anchors: "/var/run/linkerd/identity/trust-roots/ca-bundle.crt",
  issuer: "/var/run/linkerd/identity/issuer",
  token: "/var/run/secrets/tokens/linkerd-identity-token",
  webhook: (name: string) => `/var/run/linkerd/tls/${name}`,
};

/** What destination and policy read; no secrets and no ConfigMaps. */
const READ: readonly Kind[] = [
  "Namespace",
  "Node",
  "Pod",
  "Service",
  "EndpointSlice",
  "ReplicaSet",
  "Job",
  "ExternalWorkload",
  "ServiceProfile",
  "Server",
  "ServerAuthorization",
  "AuthorizationPolicy",
  "MeshTLSAuthentication",
  "NetworkAuthentication",
  "HTTPLocalRateLimitPolicy",
  "EgressNetwork",
  "PolicyHTTPRoute",
  "HTTPRoute",
  "GRPCRoute",
  "TLSRoute",
  "TCPRoute",
];

const ROLES: Readonly<Record<string, (context: Context) => Promise<void>>> = {
  destination: runDestination,
  identity: runIdentity,
  "proxy-injector": runInjector,
};

/** Runs a role until SIGTERM or SIGINT; resolves to the exit code. */
export async function runController(
  [role = "", ...rest]: readonly string[],
  env: Env,
): Promise<number> {
  const run = Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
  if (!run || rest.length > 0)
    throw new Fault("bad-input", `"${role}" is no role; ${Object.keys(ROLES).join(", ")} are`);
  log.filter = env["LINKERD_LOG"] ?? "info";
  const namespace = env["LINKERD_NAMESPACE"] ?? "linkerd";
  const scope = new Scope();
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const installation = watchInstallation(namespace);
  scope.defer(installation.observe(() => {}));
  const first = await installation.next();
  const api = findApi(env);
  try {
    await run({ env, scope, api, installation, first });
    logger.info("serving", { role });
    await stopped;
  } finally {
    await scope.close();
    api.close();
  }
  return 0;
}

async function runDestination({ scope, api, first }: Context): Promise<void> {
  const registry = new Registry(clock);
  const settings = settingsOf(first);
  const controller = await startController({
    resources: kubeResources(api, { clock, kinds: READ }),
    settings,
    listen: {
      destination: { ip: ANY, port: 8086 },
      policy: { ip: ANY, port: 8090 },
      admin: { ip: ANY, port: 9996 },
    },
    credentials: ownIdentity("linkerd-destination", first, scope, registry),
    clock,
  });
  scope.defer(() => controller.close(GRACE_MS));
  for (const [name, port] of [
    ["sp-validator", 8443],
    ["policy-validator", 9443],
  ] as const) {
    const addr = { ip: ANY, port };
    scope.defer(await serveWebhook(addr, FILES.webhook(name), validator(), clock));
  }
}

async function runIdentity({ scope, api, first }: Context): Promise<void> {
  const issuer = await watchIssuer(first.trustAnchors, scope);
  const controller = await startController({
    resources: kubeResources(api, { clock, kinds: [] }),
    settings: settingsOf(first),
    listen: { identity: { ip: ANY, port: 8080 }, admin: { ip: ANY, port: 9990 } },
    issuer,
    tls: true,
    clock,
  });
  scope.defer(() => controller.close(GRACE_MS));
}

async function runInjector({ scope, api, installation }: Context): Promise<void> {
  const registry = new Registry(clock);
  const resources: Resources = kubeResources(api, { clock, kinds: ["Namespace"] });
  const namespaces = resources.watch("Namespace");
  scope.defer(namespaces.observe(() => {}));
  await namespaces.next();
  const service = injector(
    () => installation.value!,
    () => namespaces.value!,
    registry,
  );
  const addr = { ip: ANY, port: 8443 };
  scope.defer(await serveWebhook(addr, FILES.webhook("proxy-injector"), service, clock));
  scope.defer(await serveAdmin(9995, registry));
}

// A role that is no gRPC server still answers probes and metrics.
async function serveAdmin(port: number, registry: Registry): Promise<() => void> {
  const pages = admin({
    env: {},
    registry,
    log,
    ready: () => true,
    shutdown: undefined,
    state: () => ({}),
  });
  const serving = new Serving();
  const listening = await listen({ ip: ANY, port }, {}, (conn) => {
    void serving.track(conn, serving.serve(serveH1(conn, pages, { clock })));
  });
  return () => listening.close();
}

function findApi(env: Env): KubeApi {
  if (isInCluster(env)) return new KubeApi(inCluster(env));
  const path = findKubeconfig({}, env);
  if (path === undefined)
    throw new Fault(
      "not-found",
      "there is no API server: this is no pod, and KUBECONFIG is not set",
    );
  return new KubeApi(readKubeconfig(path, {}));
}

function watchInstallation(namespace: string): Watch<Installation> {
  const files = [FILES.values, FILES.anchors].map((path) => watchFile(path, clock));
  return combine(files).map(([config, trustAnchors]) => {
    if (config === undefined || !trustAnchors)
      throw new Fault("not-found", `${FILES.values} or ${FILES.anchors} is missing`);
    const { values, mistakes } = readValues(parse(config));
    for (const mistake of mistakes) logger.warn("a value is not as expected", { mistake });
    return { values, namespace, trustAnchors };
  });
}

// The issuer's files are replaced by whoever renews them; what is wrong then keeps the last good issuer.
async function watchIssuer(anchorsPem: string, scope: Scope): Promise<Issuer> {
  const read = (name: string) => watchFile(`${FILES.issuer}/${name}`, clock);
  const files = combine([read("crt.pem"), read("key.pem"), read("tls.crt"), read("tls.key")]);
  let current: Issuer | undefined;
  const loaded = Promise.withResolvers<Issuer>();
  const load = async ([crt, key, tlsCrt, tlsKey]: readonly (
    | string
    | undefined
  )[]): Promise<void> => {
    try {
      const keyPem = createPrivateKey(key ?? tlsKey ?? "").export({ type: "pkcs8", format: "pem" });
      const certPem = crt ?? tlsCrt ?? "";
      const issuer = await parseIssuer({ anchorsPem, certPem, keyPem: String(keyPem) });
      logger.info("read the issuer", { until: issuer.certificate.notAfter.toISOString() });
      current = issuer;
      loaded.resolve(issuer);
    } catch (error) {
      const fault = Fault.from(error);
      logger.error("the issuer cannot be used", { error: fault });
      if (!current) loaded.reject(fault);
    }
  };
  scope.defer(files.each((texts) => void load(texts)));
  await loaded.promise;
  return {
    get certificate() {
      return current!.certificate;
    },
    get key() {
      return current!.key;
    },
    anchorsPem,
  };
}

// Certified by the identity service, as any workload: with the variables that a sidecar of ours would get.
function ownIdentity(
  account: string,
  installation: Installation,
  scope: Scope,
  registry: Registry,
): Watch<Credentials> {
  const { namespace, values } = installation;
  const vars = proxyEnv({ spec: { containers: [] } }, installation);
  const known = Object.fromEntries(vars.map(({ name, value }) => [name, value]));
  const settings = parseSettings({
    ...known,
    LINKERD2_PROXY_IDENTITY_DIR: undefined,
    LINKERD2_PROXY_IDENTITY_TOKEN_FILE: FILES.token,
    LINKERD2_PROXY_IDENTITY_LOCAL_NAME: `${account}.${namespace}.serviceaccount.identity.${namespace}.${trustDomainOf(values)}`,
  });
  return identify({ settings, clock, random: systemRandom, registry, scope }).credentials;
}

function settingsOf({ values, namespace }: Installation): MeshSettings {
  const cidrs = (texts: readonly string[]) =>
    texts.map((text) => parseCidr(text.trim())).filter((cidr) => cidr !== undefined);
  const probeNetworks = cidrs(values.policyController.probeNetworks);
  return {
    ...DEFAULT_SETTINGS,
    controlNamespace: namespace,
    clusterDomain: values.clusterDomain,
    trustDomain: trustDomainOf(values),
    clusterNetworks: cidrs(values.clusterNetworks.split(",")),
    defaultInboundPolicy: values.proxy.defaultInboundPolicy as AccessPolicy,
    opaquePorts: portsOf(values),
    globalEgressNamespace: values.egress.globalEgressNetworkNamespace,
    ...(probeNetworks.length > 0 && { probeNetworks }),
  };
}

function portsOf({ proxy }: Values): ReadonlySet<number> {
  return new Set(
    proxy.opaquePorts.split(",").flatMap((word) => {
      const [low = 0, high = low] = word.split("-").map(Number);
      return Array.from({ length: high - low + 1 }, (_, i) => low + i);
    }),
  );
}
