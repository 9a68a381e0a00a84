// The verb `linkerd multicluster gateways`: which clusters are linked, whether their gateways answer, and how fast. The
// mirror of a Link knows; its metrics are read over a forwarded port.

import { Fault } from "../base/fault.ts";
import type { Link } from "../control/link.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { forwardPort } from "../platform/portforward.ts";
import { readText } from "../viz/scrape.ts";
import { parseText } from "../viz/text.ts";
import type { Named } from "./checkcontext.ts";
import { needCluster } from "./cluster.ts";
import { command } from "./command.ts";
import { duration, oneOf, optional } from "./flag.ts";
import { NONE, printJson } from "./format.ts";
import { controllersOf, linksOf, mirrorsIn } from "./mclinked.ts";
import { printRows } from "./rows.ts";
import { left, printListing, right } from "./table.ts";
import type { Terminal } from "./terminal.ts";

const ADMIN_PORT = 9999;

type Row = {
  readonly clusterName: string;
  readonly alive: boolean;
  readonly numberOfServices: number;
  /** In milliseconds. */
  readonly latency: number | undefined;
};

export const mcGateways = command({
  name: "gateways",
  summary: "Show the gateways of linked clusters, and whether they answer",
  flags: {
    clusterName: optional("NAME", "Only of this cluster"),
    output: oneOf(["table", "json"], "Format of the output", { short: "o" }),
    wait: duration("30s", "Longest wait for a mirror's answer", { short: "w" }),
  },
  run: async ({ flags, globals, terminal }) => {
    const api = needCluster(globals, terminal.env, terminal.scope);
    const links = (await linksOf(api))
      .map(({ link }) => link)
      .filter(({ metadata }) => [undefined, metadata.name].includes(flags.clusterName));
    const rows = await Promise.all(links.map((link) => rowOf(api, link, flags.wait, terminal)));
    printRows(terminal, flags.output, rows, {
      json: printJson,
      table: (some) =>
        printListing<Row>(
          [
            left("CLUSTER", ({ clusterName }) => clusterName),
            left("ALIVE", ({ alive }) => (alive ? "True" : "False")),
            right("NUM_SVC", ({ numberOfServices }) => String(numberOfServices)),
            right("LATENCY", ({ latency }) => (latency === undefined ? NONE : `${latency}ms`)),
          ],
          some,
        ),
      nothing: "No clusters are linked.",
    });
  },
});

async function rowOf(
  api: KubeApi,
  link: Link,
  waitMs: number,
  { scope, note }: Terminal,
): Promise<Row> {
  const { name, namespace } = link.metadata;
  const pods = await api.list<Named>(
    `/api/v1/namespaces/${namespace}/pods`,
    controllersOf(link),
    "status.phase=Running",
  );
  const found = new Map<string, number>();
  for (const { metadata } of pods)
    try {
      const target = { namespace, pod: metadata.name, port: ADMIN_PORT };
      const text = await readText(await forwardPort(api, target, scope), "/metrics", waitMs);
      // Of several replicas one probes, the others have none of these.
      parseText(
        text,
        (family) => family === "gateway_alive" || family === "gateway_latency",
        (family, _, value) => found.set(family, value),
      );
    } catch (error) {
      note(`${metadata.name} says nothing of ${name}: ${Fault.from(error).message}`);
    }
  const alive = found.get("gateway_alive") === 1;
  const mirrors = await mirrorsIn(api, name);
  const latency = alive ? found.get("gateway_latency") : undefined;
  return { clusterName: name, alive, numberOfServices: mirrors.length, latency };
}
