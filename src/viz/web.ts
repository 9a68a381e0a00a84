// The dashboard's server: its files, the JSON that its pages ask for, and live streams of server-sent events.
// A table of paths; each answers from the same functions as the gRPC API.

import type { DescMessage, JsonObject } from "@bufbuild/protobuf";
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { Api } from "../../proto/gen/viz/viz_pb.js";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Watch } from "../base/watch.ts";
import { header } from "../wire/headers.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";
import { parseWindow, type VizApi } from "./api.ts";
import { eventStream } from "./events.ts";
import { dashboardFolder, files, json, text } from "./files.ts";
import { graph } from "./graph.ts";
import { kindOf } from "./kinds.ts";
import type { Live, Route } from "./live.ts";
import { liveCalls, tapReview } from "./livetap.ts";
import type { Metrics } from "./metrics.ts";
import { figures, historyPage, livePage } from "./page.ts";
import { routes } from "./routes.ts";
import { inboundRows, outboundRows } from "./routestat.ts";
import type { StartTap } from "./tapapi.ts";
import type { Named, World } from "./world.ts";

export type WebOptions = {
  readonly world: Watch<World>;
  readonly metrics: Metrics;
  readonly api: VizApi;
  readonly tap: StartTap;
  /** Rejects unless the dashboard may tap a resource. */
  readonly mayTap: (of: Named) => Promise<void>;
  readonly clock: Clock;
  /** What /api/version says. */
  readonly version: string;
  /** Where people find the dashboard, for the command line; "" when it has no fixed place. */
  readonly address: () => string;
  /** The names by which it may be asked, beside loopback. */
  readonly hosts: readonly string[];
  /** What the whole Host field of others must match. */
  readonly hostPattern?: RegExp | undefined;
  /** How often a live page gets a new picture. */
  readonly intervalMs: number;
};

type Query = URLSearchParams;
type Context = WebOptions & { readonly picture: (namespace: string) => Promise<Live> };
type Page = (query: Query, context: Context) => HttpRsp | Promise<HttpRsp>;

const WINDOW_MS = 60_000;
const TREND_POINTS = 30;

const PAGES: Readonly<Record<string, Page>> = {
  "/api/version": (_, { version, address }) =>
    json({ version, releaseVersion: version, address: address() }),
  "/api/live": (query, options) => live(query.get("namespace") ?? "", options),
  "/api/history": async (query, { metrics, clock }) =>
    json(await historyPage(metrics, thingOf(query), clock.wall())),
  "/api/tap": liveCalls,
  "/api/tap-review": async (query, options) => json(await tapReview(query, options)),
  "/api/stat-inbound": async (query, { metrics }) =>
    json(await inboundRows(metrics, thingOf(query), windowOf(query))),
  "/api/stat-outbound": async (query, { metrics }) =>
    json(await outboundRows(metrics, thingOf(query), windowOf(query))),
  "/api/route-rows": async (query, options) =>
    json(await routeRows(thingOf(query), query.get("side") === "outbound", options)),
  "/api/tps-reports": answerOf("statSummary", (query) => ({
    ...selectorOf(query),
    ...timeOf(query),
    ...partnerOf(query),
    skipStats: query.get("skip_stats") === "true",
    tcpStats: query.get("tcp_stats") === "true",
  })),
  "/api/edges": answerOf("edges", selectorOf),
  "/api/routes": answerOf("topRoutes", (query) => {
    const { fromResource: _, ...outbound } = partnerOf(query);
    return { ...selectorOf(query), ...timeOf(query), ...outbound };
  }),
  "/api/authz": answerOf("authz", (query) => ({
    resource: resourceOf(query),
    ...labelsOf(query),
    ...timeOf(query),
  })),
  "/api/pods": answerOf("listPods", selectorOf),
  "/api/services": answerOf("listServices", (query) => ({
    namespace: textOf(query, "namespace"),
  })),
  "/api/gateways": answerOf("gateways", () => ({})),
  "/api/check": answerOf("selfCheck", () => ({})),
  "/api/extensions": () => json({}),
};

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** The service of the dashboard: /api, and the page for everything else. */
export function web(options: WebOptions): HttpService {
  const page = files(dashboardFolder());
  const context = { ...options, picture: pictures(options) };
  return async (req) => {
    const host = req.authority || header(req.headers, "host") || "";
    if (!isOurs(host, options))
      return text(400, `The dashboard does not answer to the name "${host}".\n`);
    const [path = "", query = ""] = req.path.split(/\?(.*)/s);
    const api = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
    if (!api)
      return path.startsWith("/api/") ? json({ error: `there is no ${path}` }, 404) : page(req);
    return answer(api, req, new URLSearchParams(query), context);
  };
}

// A page of another site must not read the mesh through a browser that may (DNS rebinding).
function isOurs(host: string, { hosts, hostPattern }: WebOptions): boolean {
  const name = host.replace(/:\d+$/, "");
  return LOOPBACK.test(name) || hosts.includes(name) || (hostPattern?.test(host) ?? false);
}

async function answer(page: Page, req: HttpReq, query: Query, context: Context): Promise<HttpRsp> {
  if (req.method !== "GET") return json({ error: "only GET is served here" }, 405);
  try {
    return await page(query, context);
  } catch (error) {
    const fault = Fault.from(error);
    return json({ error: fault.message }, fault.code === "bad-input" ? 400 : fault.meaning.http);
  }
}

function live(namespace: string, { world, picture, clock, intervalMs }: Context): HttpRsp {
  return eventStream((send) => {
    let isBusy = false;
    const turn = (): void => {
      // A Prometheus that is slower than the beat would get more and more questions.
      if (!world.value || isBusy) return;
      isBusy = true;
      void picture(namespace)
        .then(send, (error: unknown) => send(Fault.from(error).message, "complaint"))
        .finally(() => (isBusy = false));
    };
    turn();
    const timer = clock.every(intervalMs, turn);
    return () => timer.cancel();
  });
}

/** The picture of a namespace, taken twice a beat at most for all who look: of a large mesh it takes half a second. */
function pictures({ world, metrics, version, clock, intervalMs }: WebOptions) {
  const taken = new Map<string, { readonly at: number; readonly page: Promise<Live> }>();
  const take = async (namespace: string): Promise<Live> => {
    const found = await graph(world.value!, metrics, namespace, WINDOW_MS, TREND_POINTS);
    return livePage(found, version, clock.wall());
  };
  return (namespace: string): Promise<Live> => {
    const now = clock.now();
    for (const [key, { at }] of taken) if (now - at >= intervalMs / 2) taken.delete(key);
    const page = taken.get(namespace)?.page ?? take(namespace);
    if (!taken.has(namespace)) taken.set(namespace, { at: now, page });
    return page;
  };
}

const ANY_SERVICE: Named = { kind: "service", namespace: "", name: "" };

// What it serves, or what it sends: then only what it did send, for there are many services that it might call.
async function routeRows(
  of: Named,
  outbound: boolean,
  { world, metrics }: WebOptions,
): Promise<Route[]> {
  if (!world.value) return [];
  const seconds = metrics.covered(WINDOW_MS) / 1000;
  const to = outbound ? ANY_SERVICE : undefined;
  const tables = await routes(world.value, metrics, of, to, WINDOW_MS);
  return tables
    .flatMap(({ rows }) => rows)
    .filter(({ effective }) => !outbound || effective)
    .map(({ route, service, effective, actual }) => {
      const sent = actual && { ...actual, labels: {}, latency: undefined };
      const { success: actualSuccess, rps: actualRps } = figures(sent, seconds);
      return { route, service, ...figures(effective, seconds), actualSuccess, actualRps };
    });
}

/** The page of a method of the API; `ask` makes its request, as JSON, of a query. */
function answerOf<M extends keyof VizApi>(name: M, ask: (query: Query) => JsonObject): Page {
  const { input, output } = Api.method[name] as { input: DescMessage; output: DescMessage };
  return async (query, { api }) => {
    const method = api[name] as (request: unknown) => Promise<Record<string, unknown>>;
    return json(toJson(output, create(output, await method(fromJson(input, ask(query))))));
  };
}

const textOf = (query: Query, name: string): string => query.get(name) ?? "";

function thingOf(query: Query): Named {
  const kind = kindOf(textOf(query, "kind"));
  if (!kind) throw new Fault("bad-input", "name a kind, a namespace and a name");
  return { kind: kind.name, namespace: textOf(query, "namespace"), name: textOf(query, "name") };
}

const windowOf = (query: Query): number => parseWindow(textOf(query, "window"));

function resourceOf(query: Query, prefix = "resource_", namespace = "namespace") {
  const isAll = prefix === "resource_" && query.get("all_namespaces") === "true";
  return {
    namespace: isAll ? "" : textOf(query, namespace),
    type: query.get(`${prefix}type`) ?? "deployment",
    name: textOf(query, `${prefix}name`),
  };
}

const labelsOf = (query: Query) => ({ labelSelector: textOf(query, "label_selector") });

function selectorOf(query: Query) {
  return { selector: { resource: resourceOf(query), ...labelsOf(query) } };
}

const timeOf = (query: Query) => ({ timeWindow: textOf(query, "window") });

const hasOne = (query: Query, ...names: string[]): boolean => names.some((name) => query.has(name));

function partnerOf(query: Query): JsonObject {
  if (hasOne(query, "to_type", "to_namespace"))
    return { toResource: resourceOf(query, "to_", "to_namespace") };
  if (hasOne(query, "from_type", "from_namespace"))
    return { fromResource: resourceOf(query, "from_", "from_namespace") };
  return { none: {} };
}
