// The verbs `linkerd viz stat-inbound` and `stat-outbound`: what a workload takes, by Server and route, and what it
// sends, by service, route and backend.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { kindOf } from "../viz/kinds.ts";
import { Prometheus } from "../viz/prometheus.ts";
import { type InboundRow, inboundRows, type OutboundRow, outboundRows } from "../viz/routestat.ts";
import { namedIn } from "../viz/world.ts";
import { command } from "./command.ts";
import { oneOf, optional } from "./flag.ts";
import { NONE, percent, printJson } from "./format.ts";
import { findMesh } from "./mesh.ts";
import { printRows } from "./rows.ts";
import { type Column, left, printListing, right } from "./table.ts";
import { namespace, namespaceOf, oneResource, timeWindow, windowText } from "./vizflags.ts";

type Rows = typeof inboundRows | typeof outboundRows;

const verb = <Row>(
  side: "inbound" | "outbound",
  summary: string,
  rowsOf: Rows,
  print: (rows: readonly Row[]) => string,
) =>
  command({
    name: `stat-${side}`,
    summary,
    usage: "RESOURCE",
    examples: [["Of a deployment", `viz stat-${side} deploy/web -n test`]],
    args: [1, 2],
    offers: "resource",
    flags: {
      namespace,
      timeWindow,
      output: oneOf(["table", "json"], "Format of the output", { short: "o" }),
      prometheusURL: optional("URL", "Ask this Prometheus, and not viz"),
    },
    run: async ({ args, flags, globals, terminal }) => {
      const window = windowText(flags.timeWindow);
      const { kind, name } = oneResource(args, `stat-${side}`);
      if (!["workload", "group"].includes(kindOf(kind)?.role ?? ""))
        throw new Fault("bad-input", `stat-${side} is about workloads: name one, such as deploy`);
      const mesh = await findMesh(globals, terminal.env);
      const of = namedIn(namespaceOf(flags, mesh), { kind, name });
      const url = flags.prometheusURL;
      const query = new URLSearchParams({ ...of, window });
      const rows = (
        url === undefined
          ? JSON.parse(await mesh.vizPage(`/api/stat-${side}?${query.toString()}`))
          : await rowsOf(new Prometheus(url, systemClock), of, flags.timeWindow)
      ) as Row[];
      printRows(terminal, flags.output, rows, { json: printJson, table: print });
    },
  });

export const statInbound = verb<InboundRow>(
  "inbound",
  "Show what workloads take, by server and route",
  inboundRows,
  printInbound,
);

export const statOutbound = verb<OutboundRow>(
  "outbound",
  "Show what workloads send, by service, route and backend",
  outboundRows,
  printOutbound,
);

type Figures = Pick<InboundRow, "rps" | "latencyMsP50" | "latencyMsP95" | "latencyMsP99">;

const FIGURES: readonly Column<Figures>[] = [
  right("RPS", ({ rps }) => rps.toFixed(2)),
  ...(["P50", "P95", "P99"] as const).map((q) =>
    right<Figures>(`LATENCY_${q}`, (row) => {
      const ms = row[`latencyMs${q}`];
      return ms === null ? NONE : `${ms.toFixed(0)}ms`;
    }),
  ),
];

const INBOUND: readonly Column<InboundRow>[] = [
  left("NAME", ({ name }) => name),
  left("SERVER", ({ server, port }) => `${server}:${port}`),
  left("ROUTE", ({ route }) => route),
  left("TYPE", ({ routeType }) => routeType),
  right("SUCCESS", ({ successesRate }) => percent(successesRate)),
  ...FIGURES,
];

export function printInbound(rows: readonly InboundRow[]): string {
  return printListing(INBOUND, rows);
}

type OutboundLine = OutboundRow & { readonly isLast: boolean };

// Backends stand below their route, on branches as long as its name.
const branch = ({ route, isLast }: OutboundLine): string =>
  (isLast ? "└" : "├").padEnd(route.length, "─");

const either =
  (ofRoute: Column<OutboundLine>["cell"], ofBackend: Column<OutboundLine>["cell"]) =>
  (line: OutboundLine): string =>
    (line.backend === undefined ? ofRoute : ofBackend)(line);
const nothing = (): string => "";

const OUTBOUND: readonly Column<OutboundLine>[] = [
  left(
    "NAME",
    either(({ name }) => name, nothing),
  ),
  left(
    "SERVICE",
    either(({ service, port }) => `${service}:${port}`, nothing),
  ),
  left(
    "ROUTE",
    either(({ route }) => route, branch),
  ),
  left(
    "TYPE",
    either(
      ({ routeType }) => routeType,
      () => "────────►",
    ),
  ),
  left(
    "BACKEND",
    either(nothing, ({ backend, backendPort }) => `${backend}:${backendPort}`),
  ),
  right("SUCCESS", ({ successRate }) => percent(successRate)),
  ...FIGURES,
  right("TIMEOUTS", ({ timeoutRate }) => percent(timeoutRate)),
  right("RETRIES", ({ retryRate }) => (retryRate === undefined ? "" : percent(retryRate))),
];

export function printOutbound(rows: readonly OutboundRow[]): string {
  const lines = rows.map((row, i) => ({ ...row, isLast: rows[i + 1]?.backend === undefined }));
  return printListing(OUTBOUND, lines);
}
