// The verbs of `linkerd diagnostics`: what proxies and the control plane know and count, unadorned.

import { createHash } from "node:crypto";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { toJson } from "@bufbuild/protobuf";
import { stringify } from "yaml";
import { DestinationProfileSchema } from "../../proto/gen/destination_pb.js";
import type { WeightedAddr } from "../../proto/gen/destination_pb.js";
import { ServerSchema } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicySchema } from "../../proto/gen/outbound_pb.js";
import { Fault } from "../base/fault.ts";
import { parseResource } from "../viz/kinds.ts";
import { readText } from "../viz/scrape.ts";
import { printIp } from "../viz/tap.ts";
import type { MeshPod, World } from "../viz/world.ts";
import { isWanted, podsOf, thingsOf } from "../viz/world.ts";
import { command } from "./command.ts";
import { printJson } from "./format.ts";
import { duration, oneOf, optional, text, toggle } from "./flag.ts";
import type { ControlPlane } from "./mesh.ts";
import { findMesh } from "./mesh.ts";
import { left, printTable } from "./table.ts";
import { namespace, namespaceOf, oneResource } from "./vizflags.ts";

const token = text("TOKEN", "", "Context token to ask with, in place of a proxy's own");
const destinationPod = optional("POD", "Instance of the control plane to ask");
const TIMEOUT_MS = 5000;

const proxyMetrics = command({
  name: "proxy-metrics",
  summary: "Print the metrics of a resource's proxies",
  usage: "RESOURCE",
  examples: [["Of a deployment", "diagnostics proxy-metrics deploy/web -n test"]],
  args: [1, 2],
  offers: "resource",
  flags: { namespace, obfuscate: toggle("Replace names by hashes, for sharing") },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const pods = podsNamed(await mesh.world(), args, namespaceOf(flags, mesh));
    for (const [i, pod] of pods.entries()) {
      const metrics = await mesh
        .reach(pod, pod.adminPort)
        .then((admin) => readText(admin, "/metrics", TIMEOUT_MS))
        .catch((error: Error) => `ERROR ${error.message}\n`);
      const shown = flags.obfuscate ? obfuscate(metrics) : metrics;
      terminal.print(`#\n# POD ${pod.name} (${i + 1} of ${pods.length})\n#\n${shown}`);
    }
  },
});

const SECRET_LABELS =
  /\b(authority|client_id|server_id|target_addr|dst_service|dst_namespace)="([^"]*)"/g;

/** Replaces the values that name things by the first four bytes of their SHA-256. */
export function obfuscate(metrics: string): string {
  return metrics.replace(SECRET_LABELS, (_, label: string, value: string) => {
    const hash = createHash("sha256").update(value).digest("hex").slice(0, 8);
    return `${label}="${hash}"`;
  });
}

const controllerMetrics = command({
  name: "controller-metrics",
  aliases: ["cp-metrics"],
  summary: "Print the metrics of the control plane",
  flags: { wait: duration("30s", "Longest wait for answers", { short: "w" }) },
  run: async ({ flags, globals, terminal }) => {
    const all = await (await findMesh(globals, terminal.env)).controllerMetrics(flags.wait);
    for (const [i, { pod, container, text: metrics }] of all.entries()) {
      const shown = await metrics.catch((error: Error) => `ERROR ${error.message}\n`);
      terminal.print(
        `#\n# POD ${pod} (${i + 1} of ${all.length})\n# CONTAINER ${container} \n#\n${shown}`,
      );
    }
  },
});

type Endpoint = {
  namespace: string;
  ip: string;
  port: number;
  pod: string;
  service: string;
  weight: number;
  labels: Record<string, string>;
  http2?: object;
};

const endpoints = command({
  name: "endpoints",
  aliases: ["ep"],
  summary: "Show the endpoints that the control plane gives proxies for an authority",
  usage: "AUTHORITY…",
  examples: [
    ["Of a service and its port", "diagnostics endpoints web-svc.emojivoto.svc.cluster.local:80"],
  ],
  args: [1, 100],
  flags: {
    destinationPod,
    token,
    output: oneOf(["table", "json"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const { destination } = mesh.controlPlane(flags.destinationPod);
    const lists = await Promise.all(
      args.map((path) => endpointsOf(destination, path, flags.token)),
    );
    if (flags.output === "json") {
      terminal.print(printJson(lists.flat()));
      return;
    }
    const found = lists.filter((list) => list.length > 0);
    if (found.length === 0) {
      terminal.note("No endpoints found.");
      return;
    }
    const all = found.flatMap((list, i) => (i > 0 ? [BLANK, ...list] : list));
    const lines = printTable(
      [
        left<Endpoint>("NAMESPACE", (e) => e.namespace),
        left<Endpoint>("IP", (e) => e.ip),
        left<Endpoint>("PORT", (e) => (e.port === 0 ? "" : String(e.port))),
        left<Endpoint>("POD", (e) => e.pod),
        left<Endpoint>("SERVICE", (e) => e.service),
      ],
      all,
    );
    terminal.print(lines.replace(/ +$/gm, ""));
  },
});

const BLANK: Endpoint = {
  namespace: "",
  ip: "",
  port: 0,
  pod: "",
  service: "",
  weight: 0,
  labels: {},
};

async function endpointsOf(
  destination: ControlPlane["destination"],
  authority: string,
  contextToken: string,
): Promise<Endpoint[]> {
  const path = authority.includes(":") ? authority : `${authority}:80`;
  const update = await destination.get({ scheme: "http:", path, contextToken });
  if (update.update.case !== "add") return [];
  const { addrs, metricLabels } = update.update.value;
  const service = `${metricLabels["service"] ?? path.split(".")[0]}.${metricLabels["namespace"] ?? path.split(".")[1]}`;
  return addrs.map((weighted) => endpointOf(weighted, metricLabels, service));
}

function endpointOf(
  weighted: WeightedAddr,
  shared: Record<string, string>,
  service: string,
): Endpoint {
  const { addr, weight, metricLabels, http2 } = weighted;
  return {
    namespace: shared["namespace"] ?? "",
    ip: printIp(addr as unknown as Parameters<typeof printIp>[0]),
    port: addr?.port ?? 0,
    pod: metricLabels["pod"] ?? "",
    service,
    weight,
    labels: metricLabels,
    ...(http2 && { http2: {} }),
  };
}

const profile = command({
  name: "profile",
  summary: "Show the profile that the control plane gives proxies for an address",
  usage: "ADDRESS",
  args: [1, 1],
  flags: { destinationPod, token },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const { destination } = mesh.controlPlane(flags.destinationPod);
    const found = await destination.getProfile({ path: args[0]!, contextToken: flags.token });
    terminal.print(printMessage(DestinationProfileSchema, found, "json"));
  },
});

const policy = command({
  name: "policy",
  summary:
    "Show the policy that the control plane gives proxies: inbound of a pod, outbound to a service",
  usage: "po/NAME|svc/NAME PORT",
  examples: [
    ["Who may call a pod on a port", "diagnostics policy po/web-1 8080 -n emojivoto"],
    ["How a service is called", "diagnostics policy svc/web-svc 80 -n emojivoto -o json"],
  ],
  args: [2, 2],
  offers: "resource",
  flags: {
    namespace,
    destinationPod,
    token: text("TOKEN", "default:diagnostics", "Workload to ask as (NAMESPACE:POD)"),
    output: oneOf(["yaml", "json"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const { kind, name } = parseResource(args[0]!);
    const port = Number(args[1]);
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new Fault("bad-input", `"${args[1]}" is no port`);
    }
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const { inbound, outbound } = mesh.controlPlane(flags.destinationPod);
    if (kind === "pod") {
      const found = await inbound.getPort({ workload: `${ns}:${name}`, port });
      terminal.print(printMessage(ServerSchema, found, flags.output));
    } else if (kind === "service") {
      const authority = `${name}.${ns}.svc.${await mesh.clusterDomain()}:${port}`;
      const found = await outbound.get({
        target: { case: "authority", value: authority },
        sourceWorkload: flags.token,
      });
      terminal.print(printMessage(OutboundPolicySchema, found, flags.output));
    } else {
      throw new Fault("bad-input", `there is no policy of a ${kind}: use po/NAME or svc/NAME`);
    }
  },
});

function printMessage<S extends DescMessage>(
  schema: S,
  message: MessageShape<S>,
  format: "yaml" | "json",
): string {
  const value = toJson(schema, message);
  return format === "json" ? printJson(value) : stringify(value);
}

function podsNamed(world: World, args: readonly string[], ns: string): MeshPod[] {
  const { kind, name } = oneResource(args, "diagnostics");
  const things = thingsOf(world, kind).filter((t) => isWanted(t, { namespace: ns, name }));
  const pods = [...new Set(things.flatMap((t) => podsOf(world, t)))].filter((pod) => pod.meshed);
  if (pods.length === 0)
    throw new Fault("not-found", `there is no meshed pod of ${args.join(" ")} in ${ns}`);
  return pods;
}

export const diagnostics = command({
  name: "diagnostics",
  aliases: ["dg"],
  summary: "What proxies and the control plane know and count",
  commands: [proxyMetrics, controllerMetrics, endpoints, profile, policy],
});
