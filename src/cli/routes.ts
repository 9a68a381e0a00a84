// The verb `linkerd viz routes`: golden metrics by route of ServiceProfiles.

import { Fault } from "../base/fault.ts";
import type { RouteTable, RouteTable_Row as Row } from "../../proto/gen/viz/viz_pb.js";
import { command } from "./command.ts";
import { oneOf } from "./flag.ts";
import { printJson } from "./format.ts";
import {
  actualOf,
  goldenJson,
  goldenOf,
  latencyColumns,
  latencyJson,
  rateColumns,
} from "./golden.ts";
import { findMesh } from "./mesh.ts";
import { printRows } from "./rows.ts";
import { left, printTable, right } from "./table.ts";
import {
  namespace,
  namespaceOf,
  okOf,
  oneResource,
  partner,
  partners,
  resourceIn,
  selector,
  timeWindow,
  windowText,
} from "./vizflags.ts";

export const routes = command({
  name: "routes",
  summary: "Show success rate, requests a second and latency by route",
  usage: "RESOURCE",
  details: `Routes come from ServiceProfiles. With --to, or with -o wide for a service, "effective" counts what
clients got and "actual" what was sent for it, retries included.`,
  examples: [
    ["Routes of a service", "viz routes svc/webapp -n test"],
    [
      "What a deployment sends to it, with retries",
      "viz routes deploy/traffic --to svc/webapp -n test -o wide",
    ],
  ],
  args: [1, 2],
  offers: "resource",
  flags: {
    namespace,
    selector,
    timeWindow,
    ...partners,
    output: oneOf(["table", "wide", "json"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const window = windowText(flags.timeWindow);
    const resource = oneResource(args, "routes");
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    let to = partner(flags.to, flags.toNamespace, ns);
    let of = resourceIn(ns, resource);
    const wide = flags.output === "wide";
    if (wide && !to && resource.kind === "service") {
      // What anybody sends to the service: only clients know of retries.
      to = of;
      of = { namespace: "", type: "all", name: "" };
    }
    if (wide && !to)
      throw new Fault(
        "bad-input",
        "-o wide needs --to, or a service: retries happen at the client",
      );
    const answer = await mesh.viz.topRoutes({
      selector: { resource: of, labelSelector: flags.selector ?? "" },
      timeWindow: window,
      outbound: to ? { case: "toResource", value: to } : { case: "none", value: {} },
    });
    const tables = okOf(answer).routes;
    printRows(terminal, flags.output, tables, {
      json: (all) => printRoutesJson(all, to !== undefined),
      table: (all) => printRoutes(all, wide),
      nothing: `No traffic found. Is there a service for ${resource.kind}/${resource.name || "*"}?`,
    });
  },
});

/** A table for each resource, titled when there are several. */
export function printRoutes(tables: readonly RouteTable[], wide: boolean): string {
  const golden = (row: Row) => goldenOf(row.stats, row.timeWindow);
  const columns = [
    left<Row>("ROUTE", (row) => row.route),
    right<Row>("SERVICE", (row) => row.authority),
    ...rateColumns<Row>(golden, wide ? "EFFECTIVE_" : ""),
    ...(wide ? rateColumns<Row>((row) => actualOf(row.stats, row.timeWindow), "ACTUAL_") : []),
    ...latencyColumns<Row>(golden),
  ];
  return tables
    .map(({ resource, rows }) => {
      const title = tables.length > 1 ? `==> ${resource} <==\n` : "";
      return `${title}${printTable(columns, rows)}\n`;
    })
    .join("");
}

export function printRoutesJson(tables: readonly RouteTable[], outbound: boolean): string {
  const rowJson = (row: Row) => {
    const golden = goldenOf(row.stats, row.timeWindow);
    const base = { route: row.route, authority: row.authority };
    if (!outbound) return { ...base, ...goldenJson(golden) };
    const actual = actualOf(row.stats, row.timeWindow);
    return {
      ...base,
      effective_success: golden?.success ?? null,
      effective_rps: golden?.rps ?? null,
      actual_success: actual?.success ?? null,
      actual_rps: actual?.rps ?? null,
      ...latencyJson(golden),
    };
  };
  return printJson(Object.fromEntries(tables.map((t) => [t.resource, t.rows.map(rowJson)])));
}
