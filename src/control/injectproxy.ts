// The sidecar and the debug container that injection adds to a pod, and the volumes that they use. Values are those
// of the chart after the pod's annotations.

import { BUILD } from "./build.ts";
import { proxyEnv } from "./proxyenv.ts";
import type { RawContainer, RawMount, RawPod } from "./manifest.ts";
import type { Values } from "./values.ts";

/** What is common to all pods of an installation. */
export type Installation = {
  readonly values: Values;
  /** The namespace of the control plane. */
  readonly namespace: string;
  /** PEM. */
  readonly trustAnchors: string;
};

export const PROXY = "linkerd-proxy";
export const INIT = "linkerd-init";
export const VALIDATOR = "linkerd-network-validator";
export const DEBUG = "linkerd-debug";

export const VOLUMES = {
  lock: { name: "linkerd-proxy-init-xtables-lock", emptyDir: {} },
  identity: { name: "linkerd-identity-end-entity", emptyDir: { medium: "Memory" } },
  token: {
    name: "linkerd-identity-token",
    projected: {
      sources: [
        {
          serviceAccountToken: {
            path: "linkerd-identity-token",
            expirationSeconds: 86_400,
            audience: "identity.l5d.io",
          },
        },
      ],
    },
  },
} as const;

export const IDENTITY_DIR = "/var/run/linkerd/identity/end-entity";
export const TOKEN_DIR = "/var/run/secrets/tokens";
export const PROGRAMS = "/usr/lib/linkerd";
const SERVICE_ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The sidecar. As a native one it is an init container that goes on running. */
export function proxyContainer(pod: RawPod, installation: Installation): RawContainer {
  const { values } = installation;
  const { proxy } = values;
  const { admin, inbound } = proxy.ports;
  const probe = (path: string, more: object) => ({
    httpGet: { path, port: admin },
    timeoutSeconds: 1,
    ...more,
  });
  const account = serviceAccountMount(pod);
  const lifecycle = {
    ...(proxy.await &&
      !proxy.nativeSidecar && {
        postStart: {
          exec: { command: [`${PROGRAMS}/linkerd-await`, "--timeout=2m", `--port=${admin}`] },
        },
      }),
    ...(proxy.waitBeforeExitSeconds > 0 && {
      preStop: { sleep: { seconds: proxy.waitBeforeExitSeconds } },
    }),
  };
  return {
    name: PROXY,
    ...imageOf(values, values.proxy.image),
    env: proxyEnv(pod, installation),
    ports: [
      { name: "linkerd-proxy", containerPort: inbound },
      { name: "linkerd-admin", containerPort: admin },
    ],
    livenessProbe: probe("/live", { initialDelaySeconds: 10 }),
    readinessProbe: probe("/ready", { initialDelaySeconds: 2 }),
    ...(proxy.nativeSidecar && {
      restartPolicy: "Always",
      startupProbe: probe("/ready", { periodSeconds: 1, failureThreshold: 120 }),
    }),
    ...(Object.keys(lifecycle).length > 0 && { lifecycle }),
    ...resourcesOf(proxy.resources),
    securityContext: restricted(pod, proxy.uid, proxy.gid),
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [
      { mountPath: IDENTITY_DIR, name: VOLUMES.identity.name },
      { mountPath: TOKEN_DIR, name: VOLUMES.token.name },
      ...account,
    ],
  };
}

/** The image of a container of ours; what its own values leave open is the installation's. */
export function imageOf(values: Values, image: Values["proxy"]["image"]) {
  return {
    image: `${image.name}:${image.version || values.linkerdVersion || BUILD}`,
    imagePullPolicy: image.pullPolicy || values.imagePullPolicy,
  };
}

/** A container with the tools to look at the pod's network. */
export function debugContainer({ values }: Installation): RawContainer {
  return {
    name: DEBUG,
    ...imageOf(values, values.debugContainer.image),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

/** A security context that any namespace admits. */
export function restricted(pod: RawPod, uid: number, gid: number) {
  const { capabilities } = pod.spec.containers[0]?.securityContext ?? {};
  return {
    allowPrivilegeEscalation: false,
    ...(capabilities === undefined ? {} : { capabilities }),
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: uid,
    ...(gid >= 0 && { runAsGroup: gid }),
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** Where the pod has its service account's token. */
export function serviceAccountMount({ spec }: RawPod): RawMount[] {
  const mounts = spec.containers.flatMap(({ volumeMounts }) => volumeMounts ?? []);
  const found = mounts.find(({ mountPath }) => mountPath === SERVICE_ACCOUNT_DIR);
  return found ? [found] : [];
}

function resourcesOf(resources: Values["proxy"]["resources"]) {
  const pick = (side: "request" | "limit"): Record<string, string> =>
    Object.fromEntries(
      Object.entries(resources)
        .map(([name, quantity]) => [name, quantity[side]] as const)
        .filter(([, text]) => text !== ""),
    );
  const [requests, limits] = [pick("request"), pick("limit")];
  const isSet = Object.keys(requests).length + Object.keys(limits).length > 0;
  return isSet
    ? {
        resources: {
          ...(Object.keys(limits).length > 0 && { limits }),
          ...(Object.keys(requests).length > 0 && { requests }),
        },
      }
    : {};
}
