// The init containers of a meshed pod: what redirects its connections to the sidecar, or checks that it was done.

import type { Installation } from "./injectproxy.ts";
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

/** What sets the rules that redirect connections, before anything else runs. */
export function initContainer(pod: RawPod, { values }: Installation): RawContainer {
  const { proxy, proxyInit, disableIPv6 } = values;
  const { ports } = proxy;
  const skipped = [ports.control, ports.admin, proxyInit.ignoreInboundPorts].filter(Boolean);
  const isRoot = proxyInit.runAsRoot || proxyInit.closeWaitTimeoutSecs > 0;
  const flag = (name: string, value: string | number): string[] => [`--${name}`, String(value)];
  return {
    name: INIT,
    ...imageOf(values, values.proxy.image),
    command: [`${PROGRAMS}/linkerd2-proxy-init`],
    args: [
      ...flag("iptables-mode", proxyInit.iptablesMode),
      ...(disableIPv6 ? ["--ipv6=false"] : []),
      ...flag("incoming-proxy-port", ports.inbound),
      ...flag("outgoing-proxy-port", ports.outbound),
      ...flag("proxy-uid", proxy.uid),
      ...(proxy.gid >= 0 ? flag("proxy-gid", proxy.gid) : []),
      ...flag("inbound-ports-to-ignore", skipped.join(",")),
      ...(proxyInit.ignoreOutboundPorts
        ? flag("outbound-ports-to-ignore", proxyInit.ignoreOutboundPorts)
        : []),
      ...(proxyInit.skipSubnets ? flag("subnets-to-ignore", proxyInit.skipSubnets) : []),
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
  const { proxy, networkValidator: validator, disableIPv6 } = values;
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
    securityContext: restricted(pod, proxy.uid, proxy.gid),
    terminationMessagePolicy: "FallbackToLogsOnError",
  };
}
