// The verb `linkerd viz edges`: who is connected to whom, and whether it is mutual TLS.

import { Fault } from "../base/fault.ts";
import type { Edge } from "../../proto/gen/viz/viz_pb.js";
import { KINDS, parseResource } from "../viz/kinds.ts";
import { command } from "./command.ts";
import { oneOf } from "./flag.ts";
import { printJson } from "./format.ts";
import { findMesh } from "./mesh.ts";
import { printRows } from "./rows.ts";
import { left, printTable } from "./table.ts";
import type { Palette } from "./terminal.ts";
import { allNamespaces, namespace, namespaceOf, okOf, resourceIn } from "./vizflags.ts";

const WORKLOADS = KINDS.filter((k) => k.role === "workload").map((k) => k.name);

export const edges = command({
  name: "edges",
  summary: "Show connections between resources and the identities of both ends",
  usage: "RESOURCETYPE",
  examples: [
    ["Connections between deployments that touch a namespace", "viz edges deploy -n test"],
    ["Between pods, everywhere, with identities", "viz edges po -A -o wide"],
  ],
  args: [1, 1],
  offers: "resource",
  flags: {
    namespace,
    allNamespaces,
    output: oneOf(["table", "json", "wide"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const resource = parseResource(args[0]!);
    const { kind, name } = resource;
    if (name !== "") {
      throw new Fault(
        "bad-input",
        `edges are shown for a type, not for one resource: leave out "${name}"`,
      );
    }
    if (!WORKLOADS.includes(kind)) {
      throw new Fault(
        "bad-input",
        `there are no edges of "${kind}": use one of ${WORKLOADS.join(", ")}`,
      );
    }
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const answer = okOf(await mesh.viz.edges({ selector: { resource: resourceIn(ns, resource) } }));
    printRows(terminal, flags.output, answer.edges, {
      json: printEdgesJson,
      table: (rows) => printEdges(rows, flags.output === "wide", terminal.colour),
      nothing: "No edges found.",
    });
  },
});

/** One line an edge; identities shortened to "account.namespace". */
export function printEdges(rows: readonly Edge[], wide: boolean, colour: Palette): string {
  const tick = colour.green("√");
  return printTable(
    [
      left<Edge>("SRC", ({ src }) => src?.name ?? ""),
      left<Edge>("DST", ({ dst }) => dst?.name ?? ""),
      left<Edge>("SRC_NS", ({ src }) => src?.namespace ?? ""),
      left<Edge>("DST_NS", ({ dst }) => dst?.namespace ?? ""),
      ...(wide
        ? [
            left<Edge>("CLIENT_ID", ({ clientId }) => shortIdentity(clientId)),
            left<Edge>("SERVER_ID", ({ serverId }) => shortIdentity(serverId)),
          ]
        : []),
      left<Edge>("SECURED", ({ noIdentityMsg }) => noIdentityMsg || tick),
    ],
    rows,
  );
}

export function printEdgesJson(rows: readonly Edge[]): string {
  return printJson(
    rows.map(({ src, dst, clientId, serverId, noIdentityMsg }) => ({
      src: src?.name ?? "",
      src_namespace: src?.namespace ?? "",
      dst: dst?.name ?? "",
      dst_namespace: dst?.namespace ?? "",
      client_id: shortIdentity(clientId),
      server_id: shortIdentity(serverId),
      no_tls_reason: noIdentityMsg,
    })),
  );
}

/** "web.emojivoto.serviceaccount.identity.linkerd.cluster.local" → "web.emojivoto". */
function shortIdentity(identity: string): string {
  return identity.split(".").slice(0, 2).join(".");
}
