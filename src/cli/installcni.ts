// The verb `linkerd install-cni`: the manifests of the CNI plugin on standard output, for kubectl.

import { nest, renderChart } from "./chart.ts";
import { CHART_FLAGS, chartValues } from "./chartflags.ts";
import { command } from "./command.ts";
import { optional, toggle } from "./flag.ts";
import { printObjects } from "./manifestfiles.ts";
import { SIDECAR_FLAGS as SIDECAR, registry } from "./proxyflags.ts";
import { flagsOf, row, valuesOf } from "./valueflags.ts";

// oxfmt-ignore
const CNI = {
  adminPort: row(SIDECAR.adminPort, "proxyAdminPort"),
  controlPort: row(SIDECAR.controlPort, "proxyControlPort"),
  inboundPort: row(SIDECAR.inboundPort, "inboundProxyPort"),
  outboundPort: row(SIDECAR.outboundPort, "outboundProxyPort"),
  proxyUid: row(SIDECAR.proxyUid, "proxyUID"),
  proxyGid: row(SIDECAR.proxyGid, "proxyGID"),
  skipInboundPorts: row(SIDECAR.skipInboundPorts, "ignoreInboundPorts"),
  skipOutboundPorts: row(SIDECAR.skipOutboundPorts, "ignoreOutboundPorts"),
  redirectPorts: row(optional("PORTS", "Ports to redirect to the proxy, in place of all"), "portsToRedirect"),
  cniImage: row(optional("NAME", "Image of the plugin (default linkerd-ts/cni-plugin)"), "image.name"),
  linkerdVersion: row(optional("TAG", "The same as --cni-image-version", { short: "v", hidden: true }), "image.version"),
  cniImageVersion: row(optional("TAG", "Tag of the plugin's image"), "image.version"),
  imagePullPolicy: row(SIDECAR.imagePullPolicy, "image.pullPolicy"),
  cniLogLevel: row(optional("LEVEL", "What the plugin's pods log (default info)"), "logLevel"),
  destCniNetDir: row(optional("DIR", "Where nodes configure networks (default /etc/cni/net.d)"), "destCNINetDir"),
  destCniBinDir: row(optional("DIR", "Where nodes have plugins (default /opt/cni/bin)"), "destCNIBinDir"),
  priorityClassName: row(optional("NAME", "Priority class of the plugin's pods"), "priorityClassName"),
};

export const installCni = command({
  name: "install-cni",
  summary: "Print the manifests of the CNI plugin, which spares pods an init container",
  examples: [
    ["First the plugin", "install-cni | kubectl apply -f -"],
    [
      "Then a control plane that counts on it",
      "install --linkerd-cni-enabled | kubectl apply -f -",
    ],
    ["Take it away again", "install-cni | kubectl delete -f -"],
  ],
  flags: {
    ...CHART_FLAGS,
    ...flagsOf(CNI),
    registry,
    useWaitFlag: toggle("Without effect: the plugin always waits for the lock of iptables", {
      hidden: true,
    }),
  },
  run: async ({ flags, globals, terminal }) => {
    const image = flags.registry && nest(["image", "name"], `${flags.registry}/cni-plugin`);
    const values = chartValues(flags, {}, image || {}, valuesOf(CNI, flags));
    terminal.print(
      printObjects(renderChart("linkerd2-cni", globals.cniNamespace, values), flags.output),
    );
  },
});
