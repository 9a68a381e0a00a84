// The verbs `linkerd uninstall` and `prune`: what to delete, on standard output, for kubectl.

import { Fault } from "../base/fault.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { CHART_FLAGS } from "./chartflags.ts";
import { needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { toggle } from "./flag.ts";
import { controlPlaneObjects, crdObjects, OF_MESH } from "./install.ts";
import { deletions } from "./installed.ts";
import { valuesInCluster } from "./upgrade.ts";

export const uninstall = command({
  name: "uninstall",
  summary: "Print what to delete so that nothing of the mesh is left",
  examples: [["Delete everything", "uninstall | kubectl delete -f -"]],
  flags: {
    force: toggle("Even while there are extensions, or pods with proxies", { short: "f" }),
    output: CHART_FLAGS.output,
  },
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    const api = needCluster(globals, terminal.env, terminal.scope);
    if (!flags.force) await refuseWhileUsed(api, namespace);
    terminal.print(await deletions(api, `${OF_MESH}=${namespace}`, flags.output));
  },
});

export const prune = command({
  name: "prune",
  summary: "Print what an older version installed and this one no longer has",
  examples: [["Delete it", "prune | kubectl delete -f -"]],
  flags: { output: CHART_FLAGS.output },
  run: async ({ flags, globals, terminal }) => {
    const namespace = globals.linkerdNamespace;
    const api = needCluster(globals, terminal.env, terminal.scope);
    const values = await valuesInCluster(api, namespace);
    const wanted = [...crdObjects(namespace, {}), ...controlPlaneObjects(namespace, values)];
    terminal.print(await deletions(api, `${OF_MESH}=${namespace}`, flags.output, wanted));
  },
});

async function refuseWhileUsed(api: KubeApi, namespace: string): Promise<void> {
  type Named = { metadata: { namespace?: string; name: string; labels: Record<string, string> } };
  const extensions = await api.list<Named>("/api/v1/namespaces", "linkerd.io/extension");
  const pods = await api.list<Named>(
    "/api/v1/pods",
    `${OF_MESH}=${namespace},!linkerd.io/control-plane-component`,
    "status.phase!=Succeeded,status.phase!=Failed",
  );
  const problems = [
    ...named(
      "these extensions are still there; uninstall them first, or use --force:",
      extensions.map(({ metadata }) => `${metadata.labels["linkerd.io/extension"]}`),
    ),
    ...named(
      "these pods still have proxies; uninject them first, or use --force:",
      pods.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`),
    ),
  ];
  if (problems.length > 0) throw new Fault("in-use", problems.join("\n"));
}

const named = (title: string, names: readonly string[]): string[] =>
  names.length === 0 ? [] : [title, ...names.map((name) => `\t* ${name}`)];
