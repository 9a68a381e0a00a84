// The verb `linkerd install-cni`: the manifests of the CNI plugin on standard output, for kubectl.

import { mergeValues, nest, renderChart, type Json } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { command } from "./command.ts";
import { optional, toggle, type Values } from "./flag.ts";
import { printObjects } from "./manifestfiles.ts";

const FLAGS = {
  ...CHART_FLAGS,
  adminPort: optional("PORT", "Port of the proxy's metrics and readiness (default 4191)"),
  controlPort: optional("PORT", "Port on which the proxy serves tap (default 4190)"),
  inboundPort: optional("PORT", "Port where connections to the workload arrive (default 4143)"),
  outboundPort: optional("PORT", "Port where connections of the workload arrive (default 4140)"),
  proxyUid: optional("UID", "User that proxies run as (default 2102)"),
  proxyGid: optional("GID", "Group that proxies run as"),
  skipInboundPorts: optional("PORTS", "Ports and ranges that go past the proxy, inbound"),
  skipOutboundPorts: optional("PORTS", "Ports and ranges that go past the proxy, outbound"),
  redirectPorts: optional("PORTS", "Ports to redirect to the proxy, in place of all"),
  registry: optional("NAME", "Where images come from (default linkerd-ts)"),
  cniImage: optional("NAME", "Image of the plugin (default linkerd-ts/cni-plugin)"),
  cniImageVersion: optional("TAG", "Tag of the plugin's image"),
  linkerdVersion: optional("TAG", "The same", { short: "v", hidden: true }),
  imagePullPolicy: optional("POLICY", "When images are pulled (default IfNotPresent)"),
  cniLogLevel: optional("LEVEL", "What the plugin's pods log (default info)"),
  destCniNetDir: optional("DIR", "Where nodes configure networks (default /etc/cni/net.d)"),
  destCniBinDir: optional("DIR", "Where nodes have plugins (default /opt/cni/bin)"),
  priorityClassName: optional("NAME", "Priority class of the plugin's pods"),
  useWaitFlag: toggle("Without effect: the plugin always waits for the lock of iptables", {
    hidden: true,
  }),
};

// oxfmt-ignore
const ROWS: Partial<Record<keyof typeof FLAGS, string>> = {
  adminPort: "proxyAdminPort",
  controlPort: "proxyControlPort",
  inboundPort: "inboundProxyPort",
  outboundPort: "outboundProxyPort",
  proxyUid: "proxyUID",
  proxyGid: "proxyGID",
  skipInboundPorts: "ignoreInboundPorts",
  skipOutboundPorts: "ignoreOutboundPorts",
  redirectPorts: "portsToRedirect",
  cniImage: "image.name",
  linkerdVersion: "image.version",
  cniImageVersion: "image.version",
  imagePullPolicy: "image.pullPolicy",
  cniLogLevel: "logLevel",
  destCniNetDir: "destCNINetDir",
  destCniBinDir: "destCNIBinDir",
  priorityClassName: "priorityClassName",
};
const NUMBERS = /(Port|UID|GID)$/;

export const installCni = command({
  name: "install-cni",
  summary: "Print the manifests of the CNI plugin, which spares pods an init container",
  usage: "[flags]",
  examples: [
    ["First the plugin", "install-cni | kubectl apply -f -"],
    [
      "Then a control plane that counts on it",
      "install --linkerd-cni-enabled | kubectl apply -f -",
    ],
    ["Take it away again", "install-cni | kubectl delete -f -"],
  ],
  flags: FLAGS,
  run: async ({ flags, globals, terminal }) => {
    const values = chartValues(flags, {}, flagValues(flags));
    terminal.print(
      printObjects(renderChart("linkerd2-cni", globals.cniNamespace, values), flags.output),
    );
  },
});

function flagValues(flags: Values<typeof FLAGS>): Json {
  const image =
    flags.registry === undefined ? {} : nest(["image", "name"], `${flags.registry}/cni-plugin`);
  return Object.entries(ROWS).reduce<Json>((values, [flag, path]) => {
    const text = flags[flag as keyof typeof FLAGS] as string | undefined;
    if (text === undefined) return values;
    const value = NUMBERS.test(path) && Number.isInteger(Number(text)) ? Number(text) : text;
    return mergeValues(values, nest(path.split("."), value));
  }, image);
}
