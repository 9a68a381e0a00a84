// The control plane on Kubernetes, as one program with a few roles: `linkerd controller ROLE`. What an installation
// chose comes from the mounted ConfigMap `linkerd-config`, keys from mounted Secrets, everything else from the API.

import { hostname } from "node:os";
import { pause, systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import { kubeResources } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { watchLease } from "../platform/lease.ts";
import { parseGoDuration } from "../platform/quantity.ts";
import type { Resources } from "../platform/resources.ts";
import type { Env } from "../proxy/env.ts";
import { serveAdmin } from "./adminport.ts";
import { startController } from "./controller.ts";
import { recordEvent } from "./events.ts";
import { sendHeartbeat } from "./heartbeat.ts";
import { keepExternalSlices } from "./externalslices.ts";
import type { Installation } from "./injectproxy.ts";
import { recordIssued, recordOnIdentity, watchIssuer } from "./issuerfiles.ts";
import {
  untilStopped,
  FILES,
  findApi,
  ownIdentity,
  settingsOf,
  watchInstallation,
} from "./kubeprocess.ts";
import { tellMissed } from "./missed.ts";
import { findAnnotations } from "./namespaces.ts";
import { findOwners } from "./owners.ts";
import { DISPENSABLE, READ } from "./reads.ts";
import { remoteWorlds } from "./remoteworlds.ts";
import { injector, type InjectorParts, validator } from "./webhooks.ts";
import { serveWebhook } from "./webhook.ts";

type Context = {
  readonly scope: Scope;
  readonly api: KubeApi;
  readonly installation: Watch<Installation>;
  readonly first: Installation;
};

const clock = systemClock;
const logger = log.logger("controller");
const ANY = "0.0.0.0";
const GRACE_MS = 3000;
const LAME_DUCK_MS = 3000;
const DAY_MS = 86_400_000;
const SKEW_MS = 20_000;
const TTL_MS = 60_000;

/** Programs by their role; those that are no service are over when they resolve. */
const ROLES: Readonly<Record<string, (context: Context) => Promise<void | "over">>> = {
  destination: runDestination,
  identity: runIdentity,
  "proxy-injector": runInjector,
  heartbeat: async ({ api, first }) => {
    await sendHeartbeat(api, first);
    return "over";
  },
};

/** Runs a role until SIGTERM or SIGINT; resolves to the exit code. */
export async function runController(
  [role = "", ...rest]: readonly string[],
  env: Env,
): Promise<number> {
  const run = Object.hasOwn(ROLES, role) ? ROLES[role] : undefined;
  if (!run || rest.length > 0)
    throw new Fault("bad-input", `"${role}" is no role; ${Object.keys(ROLES).join(", ")} are`);
  return untilStopped(env, async (scope) => {
    const installation = watchInstallation(env["LINKERD_NAMESPACE"] ?? "linkerd");
    scope.defer(
      installation.observe((state) => {
        if (state.kind !== "failed") return;
        logger.warn("what was installed cannot be read", { error: state.fault });
      }),
    );
    const first = await installation.next();
    const api = findApi(env);
    scope.defer(() => api.close());
    if ((await run({ scope, api, installation, first })) === "over") return "over";
    logger.info("serving", { role });
    // Who calls hears of our end later than we do: an admission that is refused meanwhile lets a pod in without its proxy.
    scope.defer(() => pause(clock, LAME_DUCK_MS));
  });
}

async function runDestination({ scope, api, first }: Context): Promise<void> {
  const registry = new Registry(clock);
  const settings = settingsOf(first);
  const resources = kubeResources(api, { clock, kinds: READ, dispensable: DISPENSABLE });
  const controller = await startController({
    resources,
    settings,
    remotes: remoteWorlds(api, clock),
    registry,
    listen: {
      destination: { ip: ANY, port: 8086 },
      policy: { ip: ANY, port: 8090 },
      admin: { ip: ANY, port: 9996 },
    },
    credentials: await ownIdentity("linkerd-destination", first.namespace, first, scope, registry),
    isLeader: leads(api, first, "policy-controller-write"),
    follow: (world) =>
      keepExternalSlices(world, api, leads(api, first, "linkerd-destination-endpoint-write")),
    clock,
  });
  scope.defer(() => controller.close(GRACE_MS));
  const servers = resources.watch("Server");
  scope.defer(servers.observe(() => {}));
  const service = validator(() => servers.value ?? new Map());
  for (const [name, port] of [
    ["sp-validator", 8443],
    ["policy-validator", 9443],
  ] as const) {
    const addr = { ip: ANY, port };
    scope.defer(await serveWebhook(addr, FILES.webhook(name), service, clock));
  }
}

async function runIdentity({ scope, api, installation, first }: Context): Promise<void> {
  const issuer = watchIssuer(installation, (event) => void recordOnIdentity(api, event));
  scope.defer(issuer.observe(() => {}));
  await issuer.next();
  const { issuanceLifetime, clockSkewAllowance } = first.values.identity.issuer;
  const registry = new Registry(clock);
  const controller = await startController({
    resources: kubeResources(api, { clock, kinds: [] }),
    settings: settingsOf(first),
    registry,
    listen: { identity: { ip: ANY, port: 8080 }, admin: { ip: ANY, port: 9990 } },
    issuer,
    onCertified: (account, signed) => void recordIssued(api, account, signed),
    issuance: {
      lifetimeMs: parseGoDuration(issuanceLifetime) ?? DAY_MS,
      skewMs: parseGoDuration(clockSkewAllowance) ?? SKEW_MS,
    },
    tls: true,
    clock,
  });
  const expires = registry.gauge("issuer_cert_ttl_seconds", "Until the issuer expires");
  const tell = (): void => {
    const { notAfter } = issuer.value!.certificate;
    expires.with({}).set((notAfter.getTime() - clock.wall()) / 1000);
  };
  tell();
  const timer = clock.every(TTL_MS, tell);
  scope.defer(() => timer.cancel());
  scope.defer(() => controller.close(GRACE_MS));
}

async function runInjector({ scope, api, installation, first }: Context): Promise<void> {
  const registry = new Registry(clock);
  const resources: Resources = kubeResources(api, { clock, kinds: ["Namespace"] });
  const namespaces = resources.watch("Namespace");
  scope.defer(namespaces.observe(() => {}));
  await namespaces.next();
  const known = () => namespaces.value!;
  const parts: InjectorParts = {
    installation: () => installation.value!,
    annotationsOf: findAnnotations(api, known),
    ownerOf: findOwners(api),
    record: (event) => void recordEvent(api, event),
    registry,
  };
  const service = injector(parts);
  const isLeader = leads(api, first, "proxy-injector-missed");
  scope.defer(tellMissed(api, { ...parts, namespaces: known }, isLeader, clock));
  const addr = { ip: ANY, port: 8443 };
  scope.defer(await serveWebhook(addr, FILES.webhook("proxy-injector"), service, clock));
  scope.defer(await serveAdmin({ ip: ANY, port: 9995 }, { registry, clock }));
}

const leads = (api: KubeApi, { namespace }: Installation, name: string): Watch<boolean> =>
  watchLease(api, { namespace, name, identity: hostname(), clock });
