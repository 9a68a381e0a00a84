// The flags that say how sidecars shall be: what `inject` writes as an annotation, `install` sets as a value of the chart.

import { optional, toggle } from "./flag.ts";
import { flagsOf, row } from "./valueflags.ts";

/** Where images come from; what it means, each verb says. */
export const registry = optional("NAME", "Where images come from (default linkerd-ts)");

// oxfmt-ignore
/** The rows of all these flags. */
export const SIDECAR = {
  adminPort: row(optional("PORT", "Port of the proxy's metrics and readiness (default 4191)"), "proxy.ports.admin", "admin-port"),
  controlPort: row(optional("PORT", "Port on which the proxy serves tap (default 4190)"), "proxy.ports.control", "control-port"),
  inboundPort: row(optional("PORT", "Port where connections to the workload arrive (default 4143)"), "proxy.ports.inbound", "inbound-port"),
  outboundPort: row(optional("PORT", "Port where connections of the workload arrive (default 4140)"), "proxy.ports.outbound", "outbound-port"),
  defaultInboundPolicy: row(optional("POLICY", "Who may call a port that no policy covers (default all-unauthenticated)"), "proxy.defaultInboundPolicy", "default-inbound-policy"),
  enableExternalProfiles: row(toggle("Look up service profiles of names outside the cluster"), "proxy.enableExternalProfiles", "enable-external-profiles"),
  imagePullPolicy: row(optional("POLICY", "When images are pulled (default IfNotPresent)"), "imagePullPolicy", "image-pull-policy"),
  proxyCpu: row(optional("QUANTITY", "The same as --proxy-cpu-request", { hidden: true }), "proxy.resources.cpu.request", "proxy-cpu-request"),
  proxyCpuRequest: row(optional("QUANTITY", "CPU that a proxy asks for"), "proxy.resources.cpu.request", "proxy-cpu-request"),
  proxyCpuLimit: row(optional("QUANTITY", "Most CPU that a proxy may use"), "proxy.resources.cpu.limit", "proxy-cpu-limit"),
  proxyMemory: row(optional("QUANTITY", "The same as --proxy-memory-request", { hidden: true }), "proxy.resources.memory.request", "proxy-memory-request"),
  proxyMemoryRequest: row(optional("QUANTITY", "Memory that a proxy asks for"), "proxy.resources.memory.request", "proxy-memory-request"),
  proxyMemoryLimit: row(optional("QUANTITY", "Most memory that a proxy may use"), "proxy.resources.memory.limit", "proxy-memory-limit"),
  proxyUid: row(optional("UID", "User that a proxy runs as (default 2102)"), "proxy.uid", "proxy-uid"),
  proxyGid: row(optional("GID", "Group that a proxy runs as"), "proxy.gid", "proxy-gid"),
  proxyImage: row(optional("NAME", "Image of the proxy (default linkerd-ts/proxy)"), "proxy.image.name", "proxy-image"),
  proxyVersion: row(optional("TAG", "Tag of the proxy's image", { short: "v", hidden: true }), "proxy.image.version", "proxy-version"),
  proxyLogLevel: row(optional("LEVEL", "What a proxy logs (default warn,linkerd=info,hickory=error)"), "proxy.logLevel", "proxy-log-level"),
  skipInboundPorts: row(optional("PORTS", "Ports and ranges that go past the proxy, inbound"), "proxyInit.ignoreInboundPorts", "skip-inbound-ports"),
  skipOutboundPorts: row(optional("PORTS", "Ports and ranges that go past the proxy, outbound"), "proxyInit.ignoreOutboundPorts", "skip-outbound-ports"),
};

/** The flags themselves. */
export const SIDECAR_FLAGS = { registry, ...flagsOf(SIDECAR) };
