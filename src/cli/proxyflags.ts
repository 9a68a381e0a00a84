// The flags that say how sidecars shall be, as one table: what `inject` writes as an annotation, `install` sets as a
// value of the chart.

import type { Flags, Values } from "./flag.ts";
import { optional, toggle } from "./flag.ts";

type Row = {
  /** The annotation below config.linkerd.io/; absent where a workload cannot choose. */
  readonly annotation?: string;
  /** The value of the chart, as --set names it. */
  readonly value: string;
};

export const PROXY_FLAGS = {
  adminPort: optional("PORT", "Port of the proxy's metrics and readiness (default 4191)"),
  controlPort: optional("PORT", "Port on which the proxy serves tap (default 4190)"),
  inboundPort: optional("PORT", "Port where connections to the workload arrive (default 4143)"),
  outboundPort: optional("PORT", "Port where connections of the workload arrive (default 4140)"),
  defaultInboundPolicy: optional(
    "POLICY",
    "Who may call a port that no policy covers (default all-unauthenticated)",
  ),
  enableExternalProfiles: toggle("Look up service profiles of names outside the cluster"),
  imagePullPolicy: optional("POLICY", "When images are pulled (default IfNotPresent)"),
  proxyCpuRequest: optional("QUANTITY", "CPU that a proxy asks for"),
  proxyCpuLimit: optional("QUANTITY", "Most CPU that a proxy may use"),
  proxyMemoryRequest: optional("QUANTITY", "Memory that a proxy asks for"),
  proxyMemoryLimit: optional("QUANTITY", "Most memory that a proxy may use"),
  proxyUid: optional("UID", "User that a proxy runs as (default 2102)"),
  proxyGid: optional("GID", "Group that a proxy runs as"),
  proxyImage: optional("NAME", "Image of the proxy (default linkerd-ts/proxy)"),
  proxyVersion: optional("TAG", "Tag of the proxy's image", { short: "v", hidden: true }),
  proxyLogLevel: optional("LEVEL", "What a proxy logs (default warn,linkerd=info,hickory=error)"),
  skipInboundPorts: optional("PORTS", "Ports and ranges that go past the proxy, inbound"),
  skipOutboundPorts: optional("PORTS", "Ports and ranges that go past the proxy, outbound"),
} satisfies Flags;

type ProxyFlag = keyof typeof PROXY_FLAGS;

// oxfmt-ignore
const ROWS: Readonly<Record<ProxyFlag, Row>> = {
  adminPort: { annotation: "admin-port", value: "proxy.ports.admin" },
  controlPort: { annotation: "control-port", value: "proxy.ports.control" },
  inboundPort: { annotation: "inbound-port", value: "proxy.ports.inbound" },
  outboundPort: { annotation: "outbound-port", value: "proxy.ports.outbound" },
  defaultInboundPolicy: { annotation: "default-inbound-policy", value: "proxy.defaultInboundPolicy" },
  enableExternalProfiles: { annotation: "enable-external-profiles", value: "proxy.enableExternalProfiles" },
  imagePullPolicy: { annotation: "image-pull-policy", value: "imagePullPolicy" },
  proxyCpuRequest: { annotation: "proxy-cpu-request", value: "proxy.resources.cpu.request" },
  proxyCpuLimit: { annotation: "proxy-cpu-limit", value: "proxy.resources.cpu.limit" },
  proxyMemoryRequest: { annotation: "proxy-memory-request", value: "proxy.resources.memory.request" },
  proxyMemoryLimit: { annotation: "proxy-memory-limit", value: "proxy.resources.memory.limit" },
  proxyUid: { annotation: "proxy-uid", value: "proxy.uid" },
  proxyGid: { annotation: "proxy-gid", value: "proxy.gid" },
  proxyImage: { annotation: "proxy-image", value: "proxy.image.name" },
  proxyVersion: { annotation: "proxy-version", value: "proxy.image.version" },
  proxyLogLevel: { annotation: "proxy-log-level", value: "proxy.logLevel" },
  skipInboundPorts: { annotation: "skip-inbound-ports", value: "proxyInit.ignoreInboundPorts" },
  skipOutboundPorts: { annotation: "skip-outbound-ports", value: "proxyInit.ignoreOutboundPorts" },
};

type Given = Values<typeof PROXY_FLAGS>;

const given = (flags: Given): [ProxyFlag, string][] =>
  (Object.keys(ROWS) as ProxyFlag[]).flatMap((key) => {
    const value = flags[key];
    return value === undefined || value === false ? [] : [[key, String(value)]];
  });

/** The annotations that stand for the flags that were given. */
export function annotationsOf(flags: Given): Record<string, string> {
  return Object.fromEntries(
    given(flags).flatMap(([key, value]) => {
      const { annotation } = ROWS[key];
      return annotation === undefined ? [] : [[`config.linkerd.io/${annotation}`, value]];
    }),
  );
}

/** The values of the chart that stand for the flags that were given, as --set takes them. */
export function settingsOf(flags: Given): readonly (readonly [path: string, value: string])[] {
  return given(flags).map(([key, value]) => [ROWS[key].value, value] as const);
}
