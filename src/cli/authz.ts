// The verb `linkerd viz authz`: what the servers of a resource let in and turned away, and by which authorization.

import type { StatTable_PodGroup_Row as Row } from "../../proto/gen/viz/viz_pb.js";
import { command } from "./command.ts";
import { oneOf } from "./flag.ts";
import { NONE, parseDuration, printJson, rps } from "./format.ts";
import { goldenJson, goldenOf, latencyColumns, orNone, rateColumns } from "./golden.ts";
import { findMesh } from "./mesh.ts";
import { printRows } from "./rows.ts";
import { left, printListing, right } from "./table.ts";
import {
  namespace,
  namespaceOf,
  okOf,
  oneResource,
  resourceIn,
  selector,
  timeWindow,
  windowText,
} from "./vizflags.ts";

export const authz = command({
  name: "authz",
  summary: "Show traffic by server and authorization",
  usage: "RESOURCE",
  examples: [["Who may call web, and who tried", "viz authz deploy/web -n test"]],
  args: [1, 2],
  offers: "resource",
  flags: {
    namespace,
    selector,
    timeWindow,
    output: oneOf(["table", "json", "wide"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const window = windowText(flags.timeWindow);
    const resource = oneResource(args, "authz");
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const answer = okOf(
      await mesh.viz.authz({
        resource: resourceIn(ns, resource),
        labelSelector: flags.selector ?? "",
        timeWindow: window,
      }),
    );
    const rows = answer.statTable?.table.value?.rows ?? [];
    printRows(terminal, flags.output, rows, { json: printAuthzJson, table: printAuthz });
  },
});

export function printAuthz(rows: readonly Row[]): string {
  const golden = (row: Row) => goldenOf(row.stats, row.timeWindow);
  return printListing(
    [
      left<Row>("ROUTE", (row) => row.srvStats?.route?.name || "*"),
      left<Row>("SERVER", serverName),
      left<Row>("AUTHORIZATION", (row) => authorization(row) ?? NONE),
      right<Row>("UNAUTHORIZED", (row) => orNone(denied(row), rps)),
      ...rateColumns<Row>(golden),
      ...latencyColumns<Row>(golden),
    ],
    rows,
  );
}

export function printAuthzJson(rows: readonly Row[]): string {
  return printJson(
    rows.map((row) => ({
      route: row.srvStats?.route?.name ?? "",
      server: serverName(row),
      authorization: authorization(row) ?? "",
      unauthorized: denied(row) ?? 0,
      ...goldenJson(goldenOf(row.stats, row.timeWindow)),
    })),
  );
}

function serverName({ srvStats }: Row): string {
  const { type = "", name = "" } = srvStats?.srv ?? {};
  return type === "default" ? `default:${name}` : name;
}

function authorization({ srvStats }: Row): string | undefined {
  const { type = "", name = "" } = srvStats?.authz ?? {};
  return name === "" ? undefined : `${type}/${name}`;
}

function denied(row: Row): number | undefined {
  const count = Number(row.srvStats?.deniedCount ?? 0n);
  return count === 0 ? undefined : count / (parseDuration(row.timeWindow) / 1000);
}
