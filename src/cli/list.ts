// The verb `linkerd viz list`: which pods can be tapped.

import type { MeshPod } from "../viz/world.ts";
import { command } from "./command.ts";
import { findMesh } from "./mesh.ts";
import { allNamespaces, namespace } from "./vizflags.ts";

const DISABLED = "viz.linkerd.io/disable-tap";

export const vizList = command({
  name: "list",
  summary: "List meshed pods by whether they can be tapped",
  flags: { namespace, allNamespaces },
  run: async ({ flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const ns = flags.allNamespaces ? "" : (flags.namespace ?? mesh.defaultNamespace);
    const pods = (await mesh.world()).pods.filter(
      (pod) => pod.meshed && (ns === "" || pod.namespace === ns),
    );
    if (pods.length === 0) terminal.print("No meshed pods found\n");
    else terminal.print(printTapList(pods));
  },
});

/** The pods in two lists. */
function printTapList(pods: readonly MeshPod[]): string {
  const isOff = (pod: MeshPod): boolean => pod.annotations[DISABLED] === "true";
  return [
    ["Pods with tap enabled:", pods.filter((pod) => !isOff(pod))] as const,
    ["Pods with tap disabled:", pods.filter(isOff)] as const,
  ]
    .filter(([, some]) => some.length > 0)
    .map(
      ([title, some]) => `${title}\n${some.map((p) => `\t* ${p.namespace}/${p.name}\n`).join("")}`,
    )
    .join("\n");
}
