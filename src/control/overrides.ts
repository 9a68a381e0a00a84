// The annotations `config.linkerd.io/…` as one table: which value of the chart each overrides for a pod. An
// annotation that cannot be read is refused with its name, for a proxy that ignores it would be a surprise.

import { Fault } from "../base/fault.ts";
import { ACCESS_POLICIES } from "../platform/policyshapes.ts";
import { wholeCores } from "../platform/sidecar.ts";
import { duration, oneOf, type SettingType } from "../proxy/settingtypes.ts";
import { podPorts } from "./podports.ts";
import type { RawPod, Strings } from "./manifest.ts";
import type { Values } from "./values.ts";

/** Where the annotations of the injector begin. */
export const CONFIG = "config.linkerd.io/";

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
type Change = (values: Mutable<Values>, text: string, pod: RawPod) => void;

const whole = (text: string): number => {
  if (/^-?\d+$/.test(text.trim())) return Number(text);
  throw new Fault("bad-input", "expected a whole number");
};

const truth = (text: string): boolean => {
  if (/^(true|enabled|1)$/i.test(text)) return true;
  if (/^(false|disabled|0)$/i.test(text)) return false;
  throw new Fault("bad-input", "expected true or false");
};

const share = (text: string): number => {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new Fault("bad-input", "expected a number from 0 to 1");
};

// What only the proxy reads is read here as the proxy will: told now, and not by a container that does not start.
const asProxy =
  (type: SettingType<unknown>) =>
  (text: string): string => {
    if (text !== "") type(text);
    return text;
  };

const time = asProxy(duration);
const policy = asProxy(oneOf(...ACCESS_POLICIES));
const accessLog = asProxy(oneOf("apache", "json", "none"));
const logFormat = asProxy(oneOf("plain", "json", "PLAIN", "JSON"));
const logHeaders = asProxy(oneOf("off", "insecure"));

// In place of those of the chart, or, where the list begins with a plus, beside them.
const ports: (key: "ignoreInboundPorts" | "ignoreOutboundPorts") => Change =
  (key) =>
  ({ proxyInit }, text, pod) => {
    const before = /^\s*\+/.test(text) && proxyInit[key] !== "" ? [proxyInit[key]] : [];
    proxyInit[key] = [...before, ...podPorts(text, pod)].join(",");
  };

const additionalEnv: Change = ({ proxy }, text) => {
  const more = JSON.parse(text) as Mutable<Values>["proxy"]["additionalEnv"];
  const names = new Set(more.map(({ name }) => name));
  proxy.additionalEnv = [...proxy.additionalEnv.filter(({ name }) => !names.has(name)), ...more];
};

// Old proxies read the one, new ones the other.
const limitCpu = (proxy: Mutable<Values>["proxy"], text: string): void => {
  proxy.resources.cpu.limit = text;
  proxy.cores = proxy.runtime.workers.maximum = Number(wholeCores(text));
};

const nativeSidecar: Change = ({ proxy }, text) => void (proxy.nativeSidecar = truth(text));

// oxfmt-ignore
const CHANGES: Readonly<Record<string, Change>> = {
  "config.alpha.linkerd.io/proxy-enable-native-sidecar": nativeSidecar,
  "config.beta.linkerd.io/proxy-enable-native-sidecar": nativeSidecar,
  "config.alpha.linkerd.io/proxy-wait-before-exit-seconds": ({ proxy }, text) => void (proxy.waitBeforeExitSeconds = whole(text)),
  ...prefixed({
    "proxy-image": ({ proxy }, text) => void (proxy.image.name = text),
    "proxy-version": ({ proxy }, text) => void (proxy.image.version = text),
    "image-pull-policy": (values, text) => void (values.proxy.image.pullPolicy = values.debugContainer.image.pullPolicy = text),
    "debug-image": ({ debugContainer }, text) => void (debugContainer.image.name = text),
    "debug-image-version": ({ debugContainer }, text) => void (debugContainer.image.version = text),
    "debug-image-pull-policy": ({ debugContainer }, text) => void (debugContainer.image.pullPolicy = text),
    "control-port": ({ proxy }, text) => void (proxy.ports.control = whole(text)),
    "inbound-port": ({ proxy }, text) => void (proxy.ports.inbound = whole(text)),
    "outbound-port": ({ proxy }, text) => void (proxy.ports.outbound = whole(text)),
    "admin-port": ({ proxy }, text) => void (proxy.ports.admin = whole(text)),
    "pod-inbound-ports": ({ proxy }, text) => void (proxy.podInboundPorts = text),
    "skip-inbound-ports": ports("ignoreInboundPorts"),
    "skip-outbound-ports": ports("ignoreOutboundPorts"),
    "skip-subnets": ({ proxyInit }, text) => void (proxyInit.skipSubnets = text),
    "opaque-ports": ({ proxy }, text, pod) => void (proxy.opaquePorts = podPorts(text, pod).join(",")),
    "proxy-cpu-request": ({ proxy }, text) => void (proxy.resources.cpu.request = text),
    "proxy-cpu-limit": ({ proxy }, text) => limitCpu(proxy, text),
    "proxy-cpu-ratio-limit": ({ proxy }, text) => void (proxy.runtime.workers.maximumCPURatio = share(text)),
    "proxy-memory-request": ({ proxy }, text) => void (proxy.resources.memory.request = text),
    "proxy-memory-limit": ({ proxy }, text) => void (proxy.resources.memory.limit = text),
    "proxy-ephemeral-storage-request": ({ proxy }, text) => void (proxy.resources["ephemeral-storage"].request = text),
    "proxy-ephemeral-storage-limit": ({ proxy }, text) => void (proxy.resources["ephemeral-storage"].limit = text),
    "proxy-uid": ({ proxy }, text) => void (proxy.uid = whole(text)),
    "proxy-gid": ({ proxy }, text) => void (proxy.gid = whole(text)),
    "proxy-log-level": ({ proxy }, text) => void (proxy.logLevel = text),
    "proxy-log-format": ({ proxy }, text) => void (proxy.logFormat = logFormat(text)),
    "proxy-log-http-headers": ({ proxy }, text) => void (proxy.logHTTPHeaders = logHeaders(text)),
    "access-log": ({ proxy }, text) => void (proxy.accessLog = accessLog(text)),
    "outbound-access-log": ({ proxy }, text) => void (proxy.outboundAccessLog = accessLog(text)),
    "proxy-require-identity-inbound-ports": ({ proxy }, text) => void (proxy.requireIdentityOnInboundPorts = text),
    "default-inbound-policy": ({ proxy }, text) => void (proxy.defaultInboundPolicy = policy(text)),
    "enable-external-profiles": ({ proxy }, text) => void (proxy.enableExternalProfiles = truth(text)),
    "proxy-metrics-hostname-labels": ({ proxy }, text) => void (proxy.metrics.hostnameLabels = truth(text)),
    "proxy-admin-shutdown": ({ proxy }, text) => void (proxy.enableShutdownEndpoint = truth(text)),
    "enable-gateway": ({ proxy }, text) => void (proxy.isGateway = truth(text)),
    "proxy-outbound-connect-timeout": ({ proxy }, text) => void (proxy.outboundConnectTimeout = time(text)),
    "proxy-inbound-connect-timeout": ({ proxy }, text) => void (proxy.inboundConnectTimeout = time(text)),
    "proxy-outbound-discovery-cache-unused-timeout": ({ proxy }, text) => void (proxy.outboundDiscoveryCacheUnusedTimeout = time(text)),
    "proxy-inbound-discovery-cache-unused-timeout": ({ proxy }, text) => void (proxy.inboundDiscoveryCacheUnusedTimeout = time(text)),
    "proxy-disable-outbound-protocol-detect-timeout": ({ proxy }, text) => void (proxy.disableOutboundProtocolDetectTimeout = truth(text)),
    "proxy-disable-inbound-protocol-detect-timeout": ({ proxy }, text) => void (proxy.disableInboundProtocolDetectTimeout = truth(text)),
    "shutdown-grace-period": ({ proxy }, text) => void (proxy.shutdownGracePeriod = time(text)),
    "close-wait-timeout": ({ proxyInit }, text) => void (proxyInit.closeWaitTimeoutSecs = secondsOf(text)),
    "proxy-await": ({ proxy }, text) => void (proxy.await = truth(text)),
    "proxy-enable-native-sidecar": nativeSidecar,
    "proxy-additional-env": additionalEnv,
  }),
};

/** Whether a namespace's annotation of this name counts for its pods. */
export function isInherited(annotation: string): boolean {
  return (
    annotation === "linkerd.io/inject" || /^config\.((alpha|beta)\.)?linkerd\.io\//.test(annotation)
  );
}

/** The values for a pod with these annotations; throws `bad-input` that names what cannot be read. */
export function override(values: Values, annotations: Strings, pod: RawPod): Values {
  const changed = structuredClone(values) as Mutable<Values>;
  for (const [name, text] of Object.entries(annotations)) {
    try {
      if (Object.hasOwn(CHANGES, name)) CHANGES[name]!(changed, text, pod);
    } catch (error) {
      const why = (error as Error).message;
      throw new Fault("bad-input", `the annotation ${name} is ${JSON.stringify(text)}: ${why}`);
    }
  }
  if (annotations["linkerd.io/inject"] === "ingress") changed.proxy.isIngress = true;
  return changed;
}

function prefixed(changes: Readonly<Record<string, Change>>): Record<string, Change> {
  return Object.fromEntries(
    Object.entries(changes).map(([name, change]) => [CONFIG + name, change]),
  );
}

function secondsOf(text: string): number {
  const match = /^(\d+)(s|m|h)?$/.exec(text.trim());
  if (!match) throw new Fault("bad-input", 'expected a duration such as "60s"');
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[match[2] ?? "s"]!;
}
