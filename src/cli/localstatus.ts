// How `local status` shows a mesh: what it is, where to reach it, its pods, and what it has to say.

import { systemClock } from "../base/clock.ts";
import type { Pod } from "../platform/kinds.ts";
import type { Mesh } from "../platform/mesh.ts";
import { order } from "../viz/stat.ts";
import { age } from "./format.ts";
import { isReady, vizAddr, waitingReason } from "./running.ts";
import { left, printTable, right } from "./table.ts";
import type { Terminal } from "./terminal.ts";

/** The whole picture as text. */
export async function printStatus(mesh: Mesh, { colour }: Terminal): Promise<string> {
  const status = await mesh.status.next();
  const pods = [...(await mesh.resources.watch("Pod").next()).values()].sort(
    (a, b) =>
      order(a.metadata.namespace, b.metadata.namespace) || order(a.metadata.name, b.metadata.name),
  );
  const controller = status.controllerReady ? colour.green("ready") : colour.red("not ready");
  const viz = vizAddr(status);
  const facts: [string, string][] = [
    ["State folder", status.stateDir],
    [
      "Running for",
      `${age(systemClock.wall() - status.startedMs)} (process ${status.pid}, ${status.network})`,
    ],
    ["Control plane", `${controller} (${viz.ip})`],
    ["Viz", `http://${viz.ip}:${viz.port}`],
    ...status.published.map(({ service, address }): [string, string] => [
      service,
      `http://${address}`,
    ]),
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const head = facts.map(([name, value]) => `${name.padEnd(width)}   ${value}\n`).join("");
  const notices = status.notices.map((notice) => `${colour.yellow("‼")} ${notice}\n`).join("");
  return `${head}\n${printTable(COLUMNS, pods)}${notices && `\n${notices}`}`;
}

const COLUMNS = [
  left<Pod>("NAMESPACE", (pod) => pod.metadata.namespace),
  left<Pod>("POD", (pod) => pod.metadata.name),
  right<Pod>("READY", ({ status }) => {
    const all = status?.containerStatuses ?? [];
    return `${all.filter(({ ready }) => ready).length}/${all.length}`;
  }),
  left<Pod>("STATUS", stateOf),
  right<Pod>("RESTARTS", ({ status }) => {
    const all = status?.containerStatuses ?? [];
    return String(all.reduce((sum, { restartCount }) => sum + restartCount, 0));
  }),
  left<Pod>("IP", ({ status }) => status?.podIP ?? ""),
  right<Pod>("AGE", ({ status }) =>
    status?.startTime ? age(systemClock.wall() - Date.parse(status.startTime)) : "-",
  ),
];

function stateOf(pod: Pod): string {
  const reason = waitingReason(pod);
  if (reason) return reason;
  return isReady(pod) ? "Running" : (pod.status?.reason ?? pod.status?.phase ?? "Pending");
}
