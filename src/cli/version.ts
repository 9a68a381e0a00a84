// The verb `linkerd version`, and what our version is called.

import { BUILD } from "../control/build.ts";
import { command } from "./command.ts";
import { optional, toggle } from "./flag.ts";
import { findMesh } from "./mesh.ts";

/** The variable that stands for another version than ours. */
export const VERSION_OVERRIDE = "LINKERD_CONTAINER_VERSION_OVERRIDE";

/** Our version as Linkerd prints versions ("edge-…", "stable-…", "dev-…"). */
export function clientVersion(env: NodeJS.ProcessEnv = process.env): string {
  return env[VERSION_OVERRIDE] || BUILD;
}

export const version = command({
  name: "version",
  summary: "Print the client and server version",
  examples: [["Only the client's", "version --client --short"]],
  flags: {
    client: toggle("Print the client version only"),
    short: toggle("Print the version numbers only"),
    proxy: toggle("Print the versions of the data plane's proxies too"),
    namespace: optional("NAME", "With --proxy, of this namespace only", {
      short: "n",
      offers: "namespace",
    }),
  },
  run: async ({ flags, globals, terminal: { print, env } }) => {
    const line = (title: string, value: string): void =>
      print(flags.short ? `${value}\n` : `${title}: ${value}\n`);
    line("Client version", clientVersion(env));
    if (flags.client) return;
    const mesh = await findMesh(globals, env).catch(() => undefined);
    const server = await mesh?.version().catch(() => undefined);
    line("Server version", server ?? "unavailable");
    if (!flags.proxy || !mesh) return;
    const { pods } = await mesh.world();
    const counts = Map.groupBy(
      pods.filter((pod) => pod.meshed && (!flags.namespace || pod.namespace === flags.namespace)),
      (pod) => pod.proxyVersion || "unknown",
    );
    if (!flags.short)
      print(counts.size > 0 ? "Proxy versions:\n" : "Proxy versions: unavailable\n");
    for (const [name, { length }] of counts) {
      print(flags.short ? `${name}\n` : `\t${name} (${length} pods)\n`);
    }
  },
});
