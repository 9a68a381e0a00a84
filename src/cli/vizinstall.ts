// The verbs `linkerd viz install` and `linkerd viz uninstall`: manifests on standard output, for kubectl.

import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { mergeValues, parseSet, renderChart, type Json } from "./chart.ts";
import { needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { list, oneOf } from "./flag.ts";
import { meshObjects, referenceOf } from "./installed.ts";
import { printObjects } from "./manifestfiles.ts";

const output = oneOf(["yaml", "json"], "Format of the manifests", { short: "o" });
const NAMESPACE = "linkerd-viz";

export const vizInstall = command({
  name: "install",
  summary: "Print the manifests of metrics, tap and the dashboard",
  usage: "[flags]",
  examples: [["Install", "viz install | kubectl apply -f -"]],
  flags: {
    set: list("KEY=VALUE", "Value of the chart; may be repeated"),
    values: list("FILE", "YAML file with values of the chart", { short: "f", offers: "file" }),
    output,
  },
  run: async ({ flags, globals, terminal }) => {
    const parts: Json[] = [
      { linkerdNamespace: globals.linkerdNamespace },
      ...flags.values.map((path) => (parse(readFileSync(path, "utf8")) ?? {}) as Json),
      ...flags.set.map((text) => parseSet(text)),
    ];
    const namespace = globals.vizNamespace ?? NAMESPACE;
    const objects = renderChart("linkerd-viz", namespace, parts.reduce(mergeValues, {}));
    terminal.print(printObjects(objects, flags.output));
  },
});

export const vizUninstall = command({
  name: "uninstall",
  summary: "Print what to delete so that nothing of viz is left",
  usage: "[flags]",
  examples: [["Delete everything", "viz uninstall | kubectl delete -f -"]],
  flags: { output },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env);
    try {
      const objects = await meshObjects(api, "linkerd.io/extension=viz");
      terminal.print(printObjects(objects.map(referenceOf), flags.output));
    } finally {
      api.close();
    }
  },
});
