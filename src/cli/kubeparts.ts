// What tables of checks of a cluster have in common: pods and whether they are ready, and the certificates of what the
// API server calls.

import { X509Certificate } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Installation } from "../control/injectproxy.ts";
import { fetchInstallation } from "../control/installation.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { endsSoon, parseBundle } from "./certificate.ts";
import type { Check } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { patiently } from "./patiently.ts";
import { isReady } from "./running.ts";
import type { Terminal } from "./terminal.ts";
import { refuseNamed, row } from "./checkcontext.ts";

type Container = {
  readonly name: string;
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
};

/** What the command line reads of a pod. */
export type PodItem = {
  readonly metadata: {
    readonly namespace: string;
    readonly name: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly hostNetwork?: boolean;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
  };
};

/** The pods of the control plane that shall run: a job that is over, or failed, is none. */
export function controlPods(api: KubeApi, namespace: string): Promise<readonly PodItem[]> {
  const component = "linkerd.io/control-plane-component";
  const path = `/api/v1/namespaces/${namespace}/pods`;
  return api.list(path, `${component},${component}!=heartbeat`);
}

/** The pods at a path that have a label. */
export const podsAt = (c: CheckContext, path: string, label = ""): Promise<readonly PodItem[]> =>
  c.api.list(path, label);

/** Throws unless there are pods, and all that shall run are ready. */
export function expectReady(pods: readonly PodItem[]): void {
  const waiting = pods.filter((pod) => pod.status.phase !== "Succeeded" && !isReady(pod));
  if (pods.length === 0) throw new Fault("unavailable", "there are no pods");
  refuseNamed("not ready", waiting, "unavailable");
}

/** What was installed, once the pods of the control plane are ready, for which it waits; rejects when there is none. */
export async function readyInstallation(
  api: KubeApi,
  namespace: string,
  waitMs: number,
  terminal: Terminal,
): Promise<Installation> {
  const installation = await fetchInstallation(api, namespace);
  await patiently(waitMs, terminal, async () => expectReady(await controlPods(api, namespace)));
  return installation;
}

type Certificate = {
  readonly titles: readonly [valid: string, soon: string];
  readonly anchors: readonly [valid: string, soon: string];
  readonly namespace: (c: CheckContext) => string | Promise<string>;
  readonly service: string;
  readonly secret: string;
  /** The words after "linkerd" that print a new one. */
  readonly renewal: string;
  /** The base64 with which the API server verifies it. */
  readonly bundle: (c: CheckContext) => Promise<string | undefined>;
};

/** Whether the API server believes the certificate of a service, and for how long. */
export function certificateChecks(of: Certificate): Check<CheckContext>[] {
  const certificate = async (c: CheckContext): Promise<X509Certificate> => {
    const { data } = await c.api.request<{ data: Record<string, string> }>(
      `/api/v1/namespaces/${await of.namespace(c)}/secrets/${of.secret}`,
    );
    return new X509Certificate(Buffer.from(data["tls.crt"] ?? "", "base64"));
  };
  const renew = `"linkerd ${of.renewal} | kubectl apply -f -" makes a new one`;
  return [
    row("fatal", of.titles[0], of.anchors[0], async (c) => {
      const bundle = parseBundle(Buffer.from((await of.bundle(c)) ?? "", "base64").toString());
      const leaf = await certificate(c);
      const host = `${of.service}.${await of.namespace(c)}.svc`;
      if (!bundle.some((ca) => leaf.verify(ca.publicKey)))
        throw new Fault("bad-input", "its caBundle does not vouch for its certificate");
      if (!leaf.checkHost(host)) throw new Fault("bad-input", `the certificate is not for ${host}`);
      if (leaf.validToDate.getTime() < systemClock.wall())
        throw new Fault("bad-input", `it expired on ${leaf.validTo}\n${renew}`);
    }),
    row("warning", of.titles[1], of.anchors[1], async (c) => {
      const leaf = await certificate(c);
      if (endsSoon(leaf))
        throw new Fault("bad-input", `it will expire on ${leaf.validTo}\n${renew}`);
    }),
  ];
}
