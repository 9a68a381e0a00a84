// The verb `linkerd viz stat`: golden metrics of resources, as a table or JSON.

import { Fault } from "../base/fault.ts";
import type { StatTable_PodGroup_Row as Row } from "../../proto/gen/viz/viz_pb.js";
import { ALL, kindOf, KINDS, parseResources } from "../viz/kinds.ts";
import { order } from "../viz/stat.ts";
import { command } from "./command.ts";
import { flagName, oneOf, optional, toggle } from "./flag.ts";
import { byteRate, NONE, parseDuration, printJson, rps } from "./format.ts";
import type { Golden } from "./golden.ts";
import { goldenJson, goldenOf, latencyColumns, orNone, rateColumns } from "./golden.ts";
import { findMesh } from "./mesh.ts";
import { printRows } from "./rows.ts";
import type { Column } from "./table.ts";
import { left, printTable, right } from "./table.ts";
import {
  allNamespaces,
  namespace,
  namespaceOf,
  okOf,
  partner,
  partners,
  resourceIn,
  selector,
  timeWindow,
  windowText,
} from "./vizflags.ts";

export const stat = command({
  name: "stat",
  summary: "Show success rate, requests a second and latency of resources",
  usage: "RESOURCE…",
  details: `RESOURCE is a TYPE, TYPE NAME or TYPE/NAME; several may be given. Types are
${KINDS.filter((k) => k.role !== "config")
  .map((k) => k.short)
  .join(", ")}, srv, saz, ap, httproute and all.`,
  examples: [
    ["All deployments of a namespace", "viz stat deployments -n test"],
    ["Two of them, and a pod", "viz stat deploy/web deploy/emoji po/vote-bot-1 -n test"],
    ["Namespaces, over ten minutes", "viz stat ns -t 10m"],
    ["What web sends to emoji", "viz stat deploy/web --to deploy/emoji -n test"],
    ["What arrives at services from web", "viz stat svc --from deploy/web -n test"],
  ],
  args: [1, 50],
  offers: "resource",
  flags: {
    namespace,
    allNamespaces,
    selector,
    timeWindow,
    ...partners,
    from: optional("RESOURCE", "Only what comes from this resource", { offers: "resource" }),
    fromNamespace: optional("NAME", "Namespace of the --from resource", { offers: "namespace" }),
    unmeshed: toggle("Show resources without a proxy too"),
    output: oneOf(["table", "json", "wide"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    refuseBoth(flags, "to", "from");
    refuseBoth(flags, "toNamespace", "fromNamespace");
    const window = windowText(flags.timeWindow);
    const resources = parseResources(args);
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const to = partner(flags.to, flags.toNamespace, ns);
    const from = partner(flags.from, flags.fromNamespace, ns);
    const answers = await Promise.all(
      resources.map((resource) =>
        mesh.viz.statSummary({
          selector: { resource: resourceIn(ns, resource), labelSelector: flags.selector ?? "" },
          timeWindow: window,
          tcpStats: true,
          outbound: to
            ? { case: "toResource", value: to }
            : from
              ? { case: "fromResource", value: from }
              : { case: "none", value: {} },
        }),
      ),
    );
    const rows = answers.flatMap((answer) =>
      okOf(answer).statTables.flatMap(({ table }) => table.value?.rows ?? []),
    );
    const shown = rows.filter((row) => flags.unmeshed || from || isShown(row));
    const many = new Set(resources.map(({ kind }) => kind)).size > 1 || resources[0]!.kind === ALL;
    printRows(terminal, flags.output, shown, {
      json: printStatJson,
      table: (all) =>
        printStat(all, { wide: flags.output === "wide", namespaces: ns === "", many }),
    });
  },
});

type Line = {
  readonly row: Row;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly golden: Golden | undefined;
};

type Style = { wide: boolean; namespaces: boolean; many: boolean };

/** The table of each kind among `rows`, in the order of the kinds, with an empty line between. */
export function printStat(rows: readonly Row[], style: Style): string {
  const byKind = Map.groupBy(rows, (row) => row.resource?.type ?? "");
  return KINDS.filter(({ name }) => byKind.has(name))
    .map(({ name }) => printTable(columns(name, style), lines(byKind.get(name)!)))
    .join("\n");
}

function columns(kind: string, { wide, namespaces, many }: Style): Column<Line>[] {
  const prefix = many ? `${kindOf(kind)?.short ?? kind}/` : "";
  return [
    ...(namespaces && kind !== "namespace"
      ? [left<Line>("NAMESPACE", (line) => line.namespace)]
      : []),
    left("NAME", (line) => prefix + line.name),
    ...(kind === "pod" ? [right<Line>("STATUS", ({ row }) => row.status)] : []),
    kindOf(kind)?.role === "config"
      ? right("UNAUTHORIZED", ({ row }) => orNone(unauthorized(row), rps))
      : right("MESHED", ({ row }) => meshed(row) ?? NONE),
    ...rateColumns<Line>((line) => line.golden),
    ...latencyColumns<Line>((line) => line.golden),
    ...(kind === "authority"
      ? []
      : [right<Line>("TCP_CONN", ({ row }) => orNone(row.tcpStats?.openConnections, String))]),
    ...(wide && kind !== "authority"
      ? [
          right<Line>("READ_BYTES/SEC", ({ row }) =>
            orNone(bytes(row, "readBytesTotal"), byteRate),
          ),
          right<Line>("WRITE_BYTES/SEC", ({ row }) =>
            orNone(bytes(row, "writeBytesTotal"), byteRate),
          ),
        ]
      : []),
  ];
}

function lines(rows: readonly Row[]): Line[] {
  return rows
    .map((row) => ({
      row,
      kind: row.resource?.type ?? "",
      namespace: row.resource?.namespace ?? "",
      name: row.resource?.name ?? "",
      golden: goldenOf(row.stats, row.timeWindow),
    }))
    .sort((a, b) => order(a.namespace, b.namespace) || order(a.name, b.name));
}

/** The same rows as JSON, with the keys that scripts know. */
export function printStatJson(rows: readonly Row[]): string {
  const byKind = Map.groupBy(rows, (row) => row.resource?.type ?? "");
  return printJson(
    KINDS.flatMap(({ name }) => lines(byKind.get(name) ?? [])).map(
      ({ row, kind, namespace, name, golden }) => {
        const isMeshed = meshed(row);
        return {
          namespace,
          kind,
          name,
          ...(isMeshed !== undefined && { meshed: isMeshed }),
          ...goldenJson(golden),
          ...(row.tcpStats && {
            tcp_open_connections: Number(row.tcpStats.openConnections),
            tcp_read_bytes_rate: bytes(row, "readBytesTotal"),
            tcp_write_bytes_rate: bytes(row, "writeBytesTotal"),
          }),
          ...(row.srvStats && { unauthorized: unauthorized(row) }),
        };
      },
    ),
  );
}

const OWNERS = new Set(
  KINDS.filter((k) => k.role !== "config" && k.role !== "target").map((k) => k.name),
);

// What has no proxy has nothing to tell, unless it is a service.
function isShown(row: Row): boolean {
  return row.meshedPodCount > 0n || !OWNERS.has(row.resource?.type ?? "");
}

function meshed(row: Row): string | undefined {
  if (!OWNERS.has(row.resource?.type ?? "")) return undefined;
  return `${row.meshedPodCount}/${row.runningPodCount}`;
}

function bytes(row: Row, key: "readBytesTotal" | "writeBytesTotal"): number | undefined {
  return row.tcpStats && Number(row.tcpStats[key]) / (parseDuration(row.timeWindow) / 1000);
}

function unauthorized(row: Row): number | undefined {
  return row.srvStats && Number(row.srvStats.deniedCount) / (parseDuration(row.timeWindow) / 1000);
}

function refuseBoth<K extends string>(flags: Readonly<Record<K, unknown>>, a: K, b: K): void {
  if (flags[a] && flags[b])
    throw new Fault("bad-input", `--${flagName(a)} and --${flagName(b)} exclude each other`);
}
