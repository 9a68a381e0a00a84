// The verb `linkerd viz list`: which pods can be tapped.

import { tapOf, type MeshPod } from "../viz/world.ts";
import { command } from "./command.ts";
import { findMesh } from "./mesh.ts";
import { allNamespaces, namespace, namespaceOf } from "./vizflags.ts";

export const vizList = command({
  name: "list",
  summary: "List meshed pods by whether they can be tapped",
  flags: { namespace, allNamespaces },
  run: async ({ flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const pods = (await mesh.world()).pods.filter(
      (pod) => pod.meshed && (ns === "" || pod.namespace === ns),
    );
    if (pods.length === 0) terminal.print("No meshed pods found\n");
    else terminal.print(printTapList(pods));
  },
});

const TITLES = {
  enabled: "Pods with tap enabled:",
  disabled: "Pods with tap disabled:",
  missing: "Pods missing tap configuration (restart these pods to enable tap):",
} as const;

function printTapList(pods: readonly MeshPod[]): string {
  const lists = Map.groupBy(pods, tapOf);
  return Object.entries(TITLES)
    .map(([state, title]) => [title, lists.get(state as keyof typeof TITLES) ?? []] as const)
    .filter(([, some]) => some.length > 0)
    .map(
      ([title, some]) => `${title}\n${some.map((p) => `\t* ${p.namespace}/${p.name}\n`).join("")}`,
    )
    .join("\n");
}
