// The control plane on Kubernetes, as one program with a few roles: `linkerd controller ROLE`. What an installation
// chose comes from the mounted ConfigMap `linkerd-config`, keys from mounted Secrets, everything else from the API.

import { createPrivateKey } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import { combine } from "../base/watch.ts";
import { watchFile } from "../name/file.ts";
import { kubeResources } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Kind } from "../platform/kinds.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import type { Resources } from "../platform/resources.ts";
import { startController } from "./controller.ts";
import type { Installation } from "./injectproxy.ts";
import type { Issuer } from "./issuer.ts";
import { parseIssuer } from "./issuer.ts";
import {
  type Env,
  FILES,
  findApi,
  ownIdentity,
  serveAdmin,
  settingsOf,
  watchInstallation,
} from "./kubeprocess.ts";
import { injector, validator } from "./webhooks.ts";
import { serveWebhook } from "./webhook.ts";

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
const DAY_MS = 86_400_000;
const SKEW_MS = 20_000;

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
    credentials: await ownIdentity("linkerd-destination", first.namespace, first, scope, registry),
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
  const { issuanceLifetime, clockSkewAllowance } = first.values.identity.issuer;
  const controller = await startController({
    resources: kubeResources(api, { clock, kinds: [] }),
    settings: settingsOf(first),
    listen: { identity: { ip: ANY, port: 8080 }, admin: { ip: ANY, port: 9990 } },
    issuer,
    issuance: {
      lifetimeMs: parseGoDuration(issuanceLifetime) ?? DAY_MS,
      skewMs: parseGoDuration(clockSkewAllowance) ?? SKEW_MS,
    },
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
  scope.defer(await serveAdmin({ ip: ANY, port: 9995 }, registry));
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
