// Viz on Kubernetes: the same program as on one machine, with resources of the API server, an identity by which proxies
// let it tap, and what the API server calls: the tap API and the tap injector. The installation is asked of the API,
// because it is another namespace's.

import { type Clock, systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { Scope } from "../base/scope.ts";
import { BUILD } from "../control/build.ts";
import { fetchInstallation } from "../control/installation.ts";
import { serveAdmin } from "../control/adminport.ts";
import { FILES, findApi, ownIdentity, untilStopped } from "../control/kubeprocess.ts";
import type { Env } from "../proxy/env.ts";
import { identityDomainOf } from "../control/proxyenv.ts";
import { serveWebhook } from "../control/webhook.ts";
import { kubeResources } from "../platform/kube.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Resources } from "../platform/resources.ts";
import { clientTls } from "../io/tls.ts";
import { identityOf } from "../platform/sidecar.ts";
import { isLoopback } from "../stack/authorize.ts";
import type { Metrics } from "./metrics.ts";
import { type Own, serverAt } from "./own.ts";
import { Prometheus } from "./prometheus.ts";
import { startViz } from "./start.ts";
import { WORLD_KINDS } from "./world.ts";
import { type MayTap, type StartTap, tapApi } from "./tapapi.ts";
import { type Asker, askerOf, reviewTap, watchFrontProxy } from "./tapauth.ts";
import { tapInjector } from "./tapinject.ts";

const ANY = "0.0.0.0";
const PORTS = [8084, 8085, 8088];
const ADMIN = { ip: ANY, port: 9995 };
/** Scrapes are cheap here, but pods are many. */
const INTERVAL_MS = 5000;

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export function runKubeViz(env: Env): Promise<number> {
  return untilStopped(env, async (scope) => {
    const clock = systemClock;
    const namespace = env["LINKERD_VIZ_NAMESPACE"];
    if (!namespace) throw new Fault("bad-input", "LINKERD_VIZ_NAMESPACE is not set");
    const api = findApi(env);
    scope.defer(() => api.close());
    const installation = await fetchInstallation(api, env["LINKERD_NAMESPACE"] ?? "linkerd");
    const registry = new Registry(clock);
    const credentials = await ownIdentity("tap", namespace, installation, scope, registry);
    scope.defer(credentials.observe(() => {}));
    const own: Own = () => credentials.value;
    const metrics = prometheusOf(env, namespace, own, clock);
    const resources = kubeResources(api, { clock, kinds: WORLD_KINDS });
    const viz = await startViz({
      resources,
      listen: PORTS.map((port) => ({ ip: ANY, port })),
      hosts: ["", ".svc", `.svc.${installation.values.clusterDomain}`].map(
        (suffix) => `web.${namespace}${suffix}`,
      ),
      hostPattern: hostPatternOf(env),
      clock,
      version: BUILD,
      ...(metrics && { metrics }),
      own,
      mayTap: overLoopback,
      mayShow: (of) => reviewTap(api, of, accountOf(namespace, "web")),
      intervalMs: INTERVAL_MS,
    });
    scope.defer(() => viz.close());
    const tapper = identityOf("tap", namespace, identityDomainOf(installation));
    await serveApiServer({ api, tap: viz.tap, tapper, resources, clock }, scope);
    // Last: who can be asked there is ready.
    scope.defer(await serveAdmin(ADMIN, { registry, clock }));
    log.logger("viz").info("serving", { metrics: metrics ? "prometheus" : "embedded" });
  });
}

/** The Prometheus that the chart names, asked as viz itself where it has a proxy; undefined for none. */
function prometheusOf(env: Env, namespace: string, own: Own, clock: Clock): Metrics | undefined {
  const url = env["LINKERD_VIZ_PROMETHEUS_URL"];
  const serviceAccount = env["LINKERD_VIZ_PROMETHEUS_SERVICE_ACCOUNT"];
  if (!url) return undefined;
  return new Prometheus(url, clock, () => {
    const mine = own();
    return mine && serviceAccount
      ? clientTls(mine, serverAt(mine, { serviceAccount, namespace }))
      : undefined;
  });
}

// A forwarded port ends at the loopback of this pod: whoever may forward it has asked whether they may tap.
const overLoopback: MayTap = async ({ peer }) => {
  if (!isLoopback(peer.remote.ip)) throw new Fault("no-permission", "tap through the API server");
};

type Served = {
  readonly api: KubeApi;
  readonly tap: StartTap;
  /** The identity that may tap. */
  readonly tapper: string;
  readonly resources: Resources;
  readonly clock: Clock;
};

/** Serves what the API server calls, until the scope closes. */
async function serveApiServer(
  { api, tap, tapper, resources, clock }: Served,
  scope: Scope,
): Promise<void> {
  const frontProxy = watchFrontProxy(api, clock);
  const mayTap: MayTap = async (req, of) =>
    reviewTap(api, of, askerOf(req, await frontProxy.next()));
  const namespaces = resources.watch("Namespace");
  scope.defer(namespaces.observe(() => {}));
  const roots = frontProxy.map(({ caPem }) => caPem);
  for (const [port, dir, service, clients] of [
    [8089, "tap", tapApi(tap, mayTap), roots],
    [8443, "tap-injector", tapInjector(tapper, () => namespaces.value), undefined],
  ] as const) {
    const addr = { ip: ANY, port };
    scope.defer(await serveWebhook(addr, FILES.webhook(dir), service, clock, clients));
  }
}

/** What the chart's dashboard.enforcedHostRegexp says, for all of a Host field. */
function hostPatternOf(env: Env): RegExp | undefined {
  const source = env["LINKERD_VIZ_HOSTS"];
  if (!source) return undefined;
  try {
    return new RegExp(`^(?:${source})$`);
  } catch (cause) {
    throw new Fault(
      "bad-input",
      `dashboard.enforcedHostRegexp: ${JSON.stringify(source)} is no regular expression, such as "dashboard\\.example\\.com"`,
      { cause },
    );
  }
}

function accountOf(namespace: string, name: string): Asker {
  return {
    user: `system:serviceaccount:${namespace}:${name}`,
    groups: [
      "system:serviceaccounts",
      `system:serviceaccounts:${namespace}`,
      "system:authenticated",
    ],
    extra: {},
  };
}
