// The init containers of a meshed pod: what redirects its connections to the sidecar, or checks that it was done.

import type { Installation } from "./injectproxy.ts";
import type { RedirectOptions } from "./iptables.ts";
import {
  imageOf,
  INIT,
  PROGRAMS,
  restricted,
  serviceAccountMount,
  VALIDATOR,
  VOLUMES,
} from "./injectproxy.ts";
import type { RawContainer, RawPod } from "./manifest.ts";
import type { Values } from "./values.ts";

/** Which connections of a pod with these values are redirected, whether an init container or the CNI plugin does it. */
export function redirectionOf({ proxy, proxyInit }: Values): RedirectOptions {
  const { ports } = proxy;
  return {
    inboundProxyPort: ports.inbound,
    outboundProxyPort: ports.outbound,
    proxyUid: proxy.uid,
    proxyGid: proxy.gid,
    portsToRedirect: wordsOf(proxyInit.portsToRedirect),
    inboundPortsToIgnore: [
      String(ports.control),
      String(ports.admin),
      ...wordsOf(proxyInit.ignoreInboundPorts),
    ],
    outboundPortsToIgnore: wordsOf(proxyInit.ignoreOutboundPorts),
    subnetsToIgnore: wordsOf(proxyInit.skipSubnets),
  };
}

/** What sets the rules that redirect connections, before anything else runs. */
export function initContainer(pod: RawPod, { values }: Installation): RawContainer {
  const { proxyInit, disableIPv6 } = values;
  const redirection = redirectionOf(values);
  const isRoot = proxyInit.runAsRoot || proxyInit.closeWaitTimeoutSecs > 0;
  const flag = (name: string, value: string | number): string[] => [`--${name}`, String(value)];
  const list = (name: string, words: readonly string[]): string[] =>
    words.length === 0 ? [] : flag(name, words.join(","));
  return {
    name: INIT,
    ...imageOf(values, values.proxy.image),
    command: [`${PROGRAMS}/linkerd2-proxy-init`],
    args: [
      ...flag("iptables-mode", proxyInit.iptablesMode),
      ...(disableIPv6 ? ["--ipv6=false"] : []),
      ...flag("incoming-proxy-port", redirection.inboundProxyPort),
      ...flag("outgoing-proxy-port", redirection.outboundProxyPort),
      ...flag("proxy-uid", redirection.proxyUid),
      ...(redirection.proxyGid >= 0 ? flag("proxy-gid", redirection.proxyGid) : []),
      ...list("ports-to-redirect", redirection.portsToRedirect),
      ...list("inbound-ports-to-ignore", redirection.inboundPortsToIgnore),
      ...list("outbound-ports-to-ignore", redirection.outboundPortsToIgnore),
      ...list("subnets-to-ignore", redirection.subnetsToIgnore),
      ...(proxyInit.closeWaitTimeoutSecs > 0
        ? flag("timeout-close-wait-secs", proxyInit.closeWaitTimeoutSecs)
        : []),
    ],
    securityContext: {
      allowPrivilegeEscalation: proxyInit.privileged || proxyInit.closeWaitTimeoutSecs > 0,
      capabilities: { add: ["NET_ADMIN", "NET_RAW"] },
      privileged: proxyInit.privileged || proxyInit.closeWaitTimeoutSecs > 0,
      readOnlyRootFilesystem: true,
      ...(isRoot
        ? { runAsNonRoot: false, runAsUser: 0 }
        : { runAsNonRoot: true, runAsUser: proxyInit.runAsUser, runAsGroup: proxyInit.runAsGroup }),
      seccompProfile: { type: "RuntimeDefault" },
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ mountPath: "/run", name: VOLUMES.lock.name }, ...serviceAccountMount(pod)],
  };
}

/** With the CNI plugin nothing needs to be set: this one fails when the plugin has not done it. */
export function validatorContainer(pod: RawPod, { values }: Installation): RawContainer {
  const { proxy, proxyInit, networkValidator: validator, disableIPv6 } = values;
  return {
    name: VALIDATOR,
    ...imageOf(values, values.proxy.image),
    command: [`${PROGRAMS}/linkerd2-network-validator`],
    args: [
      "--connect-addr",
      validator.connectAddr || (disableIPv6 ? "1.1.1.1:20001" : "[fd00::1]:20001"),
      "--listen-addr",
      validator.listenAddr || `${disableIPv6 ? "0.0.0.0" : "[::]"}:${proxy.ports.outbound}`,
      "--timeout",
      validator.timeout,
    ],
    // Not the proxy's user, whose connections are never redirected.
    securityContext: restricted(pod, proxyInit.runAsUser, proxyInit.runAsGroup),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}

/** The words of a list such as "25,3306". */
export function wordsOf(list: string): string[] {
  return list
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}
