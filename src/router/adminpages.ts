// The pages of Linkerd 1's admin server as a table: their category, which the file can switch off, their methods and
// what they answer.

import type { HttpReq, HttpRsp } from "../io/message.ts";
import { boundNames } from "../name/interpreter.ts";
import { printPath } from "../name/path.ts";
import { header } from "../wire/headers.ts";
import { printAddr } from "../stack/normalize.ts";
import { adminFile, adminIndex } from "./adminfiles.ts";
import { delegator, explainPage } from "./admindelegator.ts";
import { json, reply, text } from "./adminreply.ts";
import { logging } from "./adminlogging.ts";
import { knowledgeReport } from "./knowledgepage.ts";
import type { Linkerd } from "./linkerd.ts";
import { flatMetrics, influxText, metricsTree, prometheusText } from "./metricpages.ts";
import { namerState } from "./namerstate.ts";
import { RecentRequests } from "./recentrequests.ts";
import { routersReport } from "./routerreport.ts";
import { settled } from "./settled.ts";
import { VERSION } from "../proxy/version.ts";

export type Category = "ui" | "control" | "diagnostics";

export type PageCall = {
  readonly req: HttpReq;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly linkerd: Linkerd;
};

export type Page = {
  readonly category: Category;
  readonly methods: readonly string[];
  readonly serve: (call: PageCall) => HttpRsp | Promise<HttpRsp>;
};

type Serve = Page["serve"];

const page = (category: Category, serve: Serve, methods = "GET HEAD"): Page => ({
  category,
  methods: methods.split(" "),
  serve,
});
const view = page("ui", () => adminIndex());

const PAGES: Readonly<Record<string, Page>> = {
  "/": view,
  "/delegator": view,
  "/logging": view,
  "/requests": { ...view, category: "diagnostics" },
  "/help": view,
  "/config.json": page("ui", ({ linkerd }) => json(linkerd.generation.raw)),
  "/metrics.json": page("ui", metrics),
  "/admin/metrics.json": page("ui", metrics),
  "/admin/metrics": page("ui", metrics),
  "/delegator.json": page("ui", delegator, "GET HEAD POST"),
  "/admin/shutdown": page("control", shutdown, "POST"),
  "/admin/reload": page("control", reload, "POST"),
  "/logging.json": page("control", logging, "GET HEAD POST"),
  "/explain.json": page("diagnostics", explainPage),
  "/routers.json": page("diagnostics", ({ linkerd }) => json(routersReport(linkerd))),
  "/watches.json": page("diagnostics", ({ linkerd }) =>
    json(knowledgeReport(linkerd.knowledge, linkerd.linker.clock)),
  ),
  "/requests.json": page("diagnostics", ({ linkerd }) => json(recentOf(linkerd))),
  "/bound-names.json": page("diagnostics", names),
  "/client_state.json": page("diagnostics", clientState),
  "/admin": page("diagnostics", index),
  "/admin/index.txt": page("diagnostics", index),
  "/admin/ping": page("diagnostics", () => text(200, "pong")),
  "/admin/server_info": page("diagnostics", ({ linkerd }) => json(serverOf(linkerd))),
  "/admin/registry.json": page("diagnostics", ({ linkerd }) => json(registry(linkerd))),
  "/admin/lint": page("diagnostics", ({ linkerd }) => json(lint(linkerd))),
  "/admin/lint.json": page("diagnostics", ({ linkerd }) => json(lint(linkerd))),
  "/admin/metrics/usage": page("diagnostics", ({ linkerd }) => json(usage(linkerd))),
};

/** The page at `path`; some are there only where the file has a telemeter for them. */
export function findPage(path: string, linkerd: Linkerd): Page | undefined {
  if (Object.hasOwn(PAGES, path)) return PAGES[path];
  if (path.startsWith("/assets/") || path === "/favicon.ico" || path.endsWith(".svg")) {
    return page("ui", (call) => adminFile(call.path));
  }
  if (path.startsWith("/namer_state/")) return page("diagnostics", namerState);
  for (const config of linkerd.generation.config.telemetry) {
    if (config.kind === "io.l5d.prometheus" && config.path === path) {
      return page("diagnostics", () =>
        reply(200, "text/plain", prometheusText(linkerd.linker.metrics, config.prefix)),
      );
    }
    if (config.kind === "io.l5d.influxdb" && path === "/admin/metrics/influxdb") {
      return page("diagnostics", ({ req }) =>
        text(200, influxText(linkerd.linker.metrics, header(req.headers, "host") ?? "none")),
      );
    }
  }
  return undefined;
}

function metrics({ query, linkerd }: PageCall): HttpRsp {
  const q = query.get("q") ?? "";
  const pretty = query.get("pretty") === "true";
  const scope = linkerd.linker.metrics.find(q);
  if (scope === undefined) return json({ error: `No such subtree: ${q}` }, 404);
  const isTree = query.get("tree") === "1" || query.get("tree") === "true";
  if (isTree) return json(metricsTree(scope), 200, pretty);
  const flat = flatMetrics(scope);
  const prefixed = Object.entries(flat).map(([name, value]) => [
    q === "" ? name : `${q}/${name}`,
    value,
  ]);
  return json(q === "" ? flat : Object.fromEntries(prefixed), 200, pretty);
}

function shutdown({ query, linkerd }: PageCall): HttpRsp {
  const grace = query.get("grace");
  const [, count, unit] = /^(\d+)\.(milliseconds?|seconds?|minutes?)$/.exec(grace ?? "") ?? [];
  if (grace !== null && count === undefined) {
    return text(400, `could not parse shutdown grace period: ${grace}\n`);
  }
  const unitMs = unit?.startsWith("milli") ? 1 : unit?.startsWith("minute") ? 60_000 : 1000;
  // After the answer, which goes out on a connection that is to be closed.
  linkerd.linker.clock.after(0, () => {
    void linkerd.stop(count === undefined ? undefined : Number(count) * unitMs);
  });
  return text(200, "quitting\n");
}

async function reload({ linkerd }: PageCall): Promise<HttpRsp> {
  await linkerd.reload();
  const { error } = linkerd.applied;
  return json({ applied: error === undefined, error }, error === undefined ? 200 : 409);
}

function recentOf({ generation }: Linkerd): unknown {
  return generation.shared.telemeters.flatMap((telemeter) =>
    telemeter instanceof RecentRequests ? telemeter.requests : [],
  );
}

const ANSWER_MS = 1000;

async function names({ linkerd }: PageCall): Promise<HttpRsp> {
  const watch = boundNames(linkerd.generation.shared.mounts);
  const { value = [] } = await settled(watch, linkerd.linker.clock, ANSWER_MS);
  return json(value.map(printPath).sort());
}

function clientState({ linkerd }: PageCall): HttpRsp {
  const states: Record<string, unknown> = {};
  for (const { bound } of linkerd.generation.routers) {
    for (const { id, balancer, discovery, known } of bound.caches.clients()) {
      const addresses = [...balancer.endpoints.values()].map(({ target }) => printAddr(target));
      const failed = discovery.kind === "failed" ? `Failed: ${discovery.fault.message}` : undefined;
      const ok = known === "bound" ? "bound" : "Neg";
      states[id] = { state: discovery.kind === "pending" ? "Pending" : (failed ?? ok), addresses };
    }
  }
  return json(states);
}

function index(): HttpRsp {
  return text(200, `${Object.keys(PAGES).join("\n")}\n`);
}

function serverOf({ startedAt, linker, applied, options, generation }: Linkerd): unknown {
  return {
    name: "linkerd",
    version: VERSION,
    build_revision: "",
    uptime_ms: Math.round(linker.clock.wall() - startedAt),
    start_time: startedAt,
    pid: process.pid,
    runtime: `node ${process.version}`,
    memory_bytes: process.memoryUsage.rss(),
    config: { file: options.file, ...applied, remarks: generation.diagnostics },
  };
}

function registry({ generation }: Linkerd): unknown {
  const { config } = generation;
  return {
    registry: {
      flags: {},
      server: config.routers.flatMap(({ label, protocol, servers }) =>
        (servers as readonly { ip: string; port: number }[]).map(({ ip, port }) => ({
          protocol,
          label,
          address: `${ip}:${port}`,
        })),
      ),
      client: generation.routers.flatMap(({ bound }) => bound.caches.clients().map(({ id }) => id)),
    },
  };
}

function lint({ generation }: Linkerd): unknown {
  const rules = generation.diagnostics.map(({ path, message, hint, line }) => ({
    category: "Configuration",
    id: path,
    description: message,
    issues: [`line ${line}${hint === undefined ? "" : `: ${hint}`}`],
  }));
  return { lint_results: { metadata: { num_issues_found: rules.length }, failed_rules: rules } };
}

// Linkerd 1 reported this to its makers; here it is only shown.
function usage({ generation, startedAt, linker }: Linkerd): unknown {
  const { config } = generation;
  return {
    version: VERSION,
    reported: false,
    uptimeMs: Math.round(linker.clock.wall() - startedAt),
    routers: config.routers.map(({ protocol, interpreter }) => ({
      protocol,
      interpreter: interpreter.kind,
    })),
    namers: config.namers.map(({ kind }) => kind),
  };
}
