// Viz on Kubernetes: the same program as on one machine, with resources of the API server, and an identity by which
// proxies let it tap. The installation is asked of the API, because it is another namespace's.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import { Scope } from "../base/scope.ts";
import { BUILD } from "../control/build.ts";
import { fetchInstallation } from "../control/installation.ts";
import { type Env, findApi, ownIdentity } from "../control/kubeprocess.ts";
import { kubeResources } from "../platform/kube.ts";
import type { Kind } from "../platform/kinds.ts";
import { observeOver } from "./observe.ts";
import { startViz } from "./start.ts";

const ANY = "0.0.0.0";
const PORTS = [8084, 8085, 8088];
/** Scrapes are cheap here, but pods are many. */
const INTERVAL_MS = 5000;

const READ: readonly Kind[] = [
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
  "ServerAuthorization",
  "AuthorizationPolicy",
  "PolicyHTTPRoute",
  "HTTPRoute",
];

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runKubeViz(env: Env): Promise<number> {
  const clock = systemClock;
  const scope = new Scope();
  const api = findApi(env);
  const namespace = env["LINKERD_VIZ_NAMESPACE"];
  if (!namespace) throw new Fault("bad-input", "LINKERD_VIZ_NAMESPACE is not set");
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  try {
    const installation = await fetchInstallation(api, env["LINKERD_NAMESPACE"] ?? "linkerd");
    const credentials = await ownIdentity(
      "tap",
      namespace,
      installation,
      scope,
      new Registry(clock),
    );
    scope.defer(credentials.observe(() => {}));
    const viz = await startViz({
      resources: kubeResources(api, { clock, kinds: READ }),
      listen: PORTS.map((port) => ({ ip: ANY, port })),
      clock,
      version: BUILD,
      observe: observeOver(clock, () => credentials.value),
      intervalMs: INTERVAL_MS,
    });
    scope.defer(() => viz.close());
    log.logger("viz").info("serving", { ports: PORTS.join() });
    await stopped;
  } finally {
    await scope.close();
    api.close();
  }
  return 0;
}
