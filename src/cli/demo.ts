// The verb `linkerd demo`: emojivoto in a mesh on this machine, and what there is to see.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { create } from "@bufbuild/protobuf";
import type { StatTable_PodGroup_Row as Row } from "../../proto/gen/viz/viz_pb.js";
import { StatSummaryRequestSchema, StatSummaryResponseSchema } from "../../proto/gen/viz/viz_pb.js";
import { vizApi, type VizApi } from "../viz/api.ts";
import type { Viz } from "../viz/start.ts";
import { command } from "./command.ts";
import { duration, optional } from "./flag.ts";
import { stateDirOf } from "./localaccess.ts";
import { HOME, runLocal } from "./running.ts";
import { redrawing } from "./screen.ts";
import { printStat } from "./stat.ts";
import type { Terminal } from "./terminal.ts";
import { untilStopped } from "./terminal.ts";
import { okOf } from "./vizflags.ts";

const NAMESPACE = "emojivoto";
const WEB_PORT = 8080;
const REDRAW_MS = 1000;
const PLAIN_MS = 5000;

const EMOJIVOTO = "demo/emojivoto/emojivoto.yaml";
// Its sources in a clone, and what was built from them in a package: Node strips no types under node_modules.
const EMOJIVOTO_CWD = [HOME, join(HOME, "dist")];

export const demo = command({
  name: "demo",
  summary: "Run a small application in a mesh on this machine, and watch it",
  details: `Starts a control plane and emojivoto, four services that know nothing of a mesh, with a sidecar next to
each. Ctrl-C stops everything.`,
  examples: [["For a minute", "demo --for 1m"]],
  flags: {
    for: duration("0", "Stop after this time; 0 for Ctrl-C only"),
    manifest: optional("FILE", "Another application's manifests", { short: "f", offers: "file" }),
  },
  run: async ({ flags, globals, terminal }) => {
    // The application's command is `node`, and must be one that runs this program too.
    process.env["PATH"] = `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`;
    const cwd = EMOJIVOTO_CWD.find((path) => existsSync(join(path, EMOJIVOTO)))!;
    const { status, viz } = await runLocal(
      {
        manifests: [flags.manifest ?? join(cwd, EMOJIVOTO)],
        stateDir: stateDirOf(globals, terminal.env),
        cwd,
        publish: flags.manifest ? {} : { [`${NAMESPACE}/web-svc`]: WEB_PORT },
      },
      terminal,
    );
    if (terminal.scope.closed) return 0;
    const places = status.published.map(
      ({ service, address }) => [service.split("/")[1]!, `http://${address}`] as const,
    );
    const deployments = (await viz.world.next()).things.get("deployment") ?? [];
    const namespace = flags.manifest ? (deployments[0]?.namespace ?? "default") : NAMESPACE;
    terminal.print(welcome(namespace, places, viz.address, terminal));
    if (flags.for > 0) systemClock.after(flags.for, () => void terminal.scope.close());
    await showMetrics(namespace, viz, terminal);
    return 0;
  },
});

function welcome(
  namespace: string,
  places: readonly (readonly [string, string])[],
  dashboard: string,
  { colour }: Terminal,
): string {
  const { bold, dim, cyan } = colour;
  const lines = [
    ...places.map(([name, url]) => [name === "web-svc" ? "Application" : name, url] as const),
    ["Dashboard", dashboard] as const,
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const commands = [
    [`linkerd viz stat deploy -n ${namespace}`, "success, requests a second, latency"],
    [`linkerd viz tap ns/${namespace}`, "each request as it passes"],
    [`linkerd viz edges deploy -n ${namespace}`, "who calls whom, and by mutual TLS"],
    ["linkerd check --proxy", "is everything as it should be?"],
  ] as const;
  const longest = Math.max(...commands.map(([line]) => line.length));
  return `
${lines.map(([name, url]) => `  ${bold(name.padEnd(width))}   ${cyan(url)}\n`).join("")}
  In a second terminal:
${commands.map(([line, what]) => `    ${line.padEnd(longest)}   ${dim(what)}\n`).join("")}
  Ctrl-C stops everything.

`;
}

// Golden metrics of all deployments: drawn over on a terminal, a plain table now and then elsewhere.
async function showMetrics(namespace: string, viz: Viz, terminal: Terminal): Promise<void> {
  const api = vizApi(viz.world, viz.metrics);
  const redraw = redrawing(terminal);
  const draw = async (): Promise<void> => {
    const rows = await deployments(namespace, api);
    if (rows.length === 0 || terminal.scope.closed) return;
    redraw(printStat(rows, { wide: false, namespaces: false, many: false }));
  };
  const timer = systemClock.every(terminal.live ? REDRAW_MS : PLAIN_MS, () => {
    // What there is no answer to now may have one the next time.
    void draw().catch(() => {});
  });
  await untilStopped(terminal);
  timer.cancel();
}

async function deployments(namespace: string, api: VizApi): Promise<Row[]> {
  const request = create(StatSummaryRequestSchema, {
    selector: { resource: { type: "deployment", namespace } },
    timeWindow: "1m",
    tcpStats: true,
  });
  const answer = create(StatSummaryResponseSchema, await api.statSummary(request));
  return okOf(answer).statTables.flatMap(({ table }) => table.value?.rows ?? []);
}
