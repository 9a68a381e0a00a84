// Viz as a program: scrapes proxies, and serves the API, tap and the dashboard, all on one port, which tells HTTP/1
// from HTTP/2 by its first bytes. It needs nothing but resources, and traffic needs nothing of it.

import { Api } from "../../proto/gen/viz/viz_pb.js";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import type { Watch } from "../base/watch.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { detect } from "../io/detect.ts";
import { serveH1 } from "../io/h1server.ts";
import { serveH2 } from "../io/h2server.ts";
import type { Listening } from "../io/listen.ts";
import { listen } from "../io/listen.ts";
import type { Resources } from "../platform/resources.ts";
import { Serving } from "../proxy/serving.ts";
import { grpcService, implement } from "../stack/grpcserver.ts";
import type { HttpService } from "../stack/types.ts";
import { header } from "../wire/headers.ts";
import { vizApi } from "./api.ts";
import type { Metrics } from "./metrics.ts";
import { observeOver } from "./observe.ts";
import type { Own } from "./own.ts";
import { metricsReader, scrape } from "./scrape.ts";
import { Store } from "./store.ts";
import { tap } from "./tap.ts";
import { type MayTap, type StartTap, tapApi } from "./tapapi.ts";
import { web } from "./web.ts";
import type { Named, World } from "./world.ts";
import { watchWorld } from "./world.ts";

export type VizOptions = {
  readonly resources: Resources;
  /** Where it must listen. */
  readonly listen: readonly SocketAddr[];
  /** Where the dashboard is for people: this port, or the next that is free. */
  readonly dashboard?: SocketAddr;
  /** The names by which browsers may ask for it, beside loopback. */
  readonly hosts?: readonly string[];
  readonly hostPattern?: RegExp | undefined;
  readonly clock: Clock;
  readonly version: string;
  /** Where metrics come from; default: viz scrapes proxies itself, and keeps ten minutes. */
  readonly metrics?: Metrics;
  /** As whom it scrapes proxies; default nobody, in the clear, as on one machine. */
  readonly own?: Own;
  /** As whom it taps; default as it scrapes. */
  readonly tapsAs?: Own;
  /** Who may tap through the ports, and whether the dashboard may tap something; default everybody and everything, as
   * befits loopback. */
  readonly mayTap?: MayTap;
  readonly mayShow?: (of: Named) => Promise<void>;
  /** Time between scrapes, and between pictures of the dashboard; default 1 s. */
  readonly intervalMs?: number;
};

export interface Viz {
  /** "http://127.0.0.1:50750", or "" without a dashboard of its own. */
  readonly address: string;
  readonly world: Watch<World>;
  readonly metrics: Metrics;
  readonly tap: StartTap;
  close(): Promise<void>;
}

const DETECT_MS = 10_000;
const GRACE_MS = 500;
const PORTS_TRIED = 20;

/** Starts everything. Rejects when an address cannot be had. */
export async function startViz(options: VizOptions): Promise<Viz> {
  const { resources, clock, version, intervalMs = 1000 } = options;
  const { mayTap = everybody, mayShow = everybody } = options;
  const scope = new Scope();
  const serving = new Serving();
  const world = watchWorld(resources);
  // Even while nobody asks, so that the first question finds an answer.
  scope.defer(world.observe(() => {}));
  const metrics = options.metrics ?? embedded(world, options, intervalMs, scope);
  const observe = observeOver(clock, options.tapsAs ?? options.own);
  const startTap: StartTap = (request, sink) => tap(world, observe, clock, request, sink);
  const api = vizApi(world, metrics, clock);
  let address = "";
  const dashboard = web({
    world,
    metrics,
    api,
    tap: startTap,
    mayTap: mayShow,
    clock,
    version,
    address: () => address,
    hosts: options.hosts ?? [],
    hostPattern: options.hostPattern,
    intervalMs,
  });
  const tapping = tapApi(startTap, mayTap);
  const service = join(grpcService([implement(Api, api)], { clock }), tapping, dashboard);
  const accept = (conn: Conn): void =>
    void serving.track(conn, serve(conn, service, serving, clock));
  try {
    for (const addr of options.listen) {
      const listening = await listen(addr, {}, accept);
      scope.defer(() => listening.close());
    }
    if (options.dashboard) {
      const listening = await nextFree(options.dashboard, accept);
      scope.defer(() => listening.close());
      address = `http://${listening.addr.ip}:${listening.addr.port}`;
    }
  } catch (error) {
    await scope.close();
    throw error;
  }
  return {
    address,
    world,
    metrics,
    tap: startTap,
    close: async () => {
      await scope.close();
      // Live pages never end by themselves.
      await serving.drain(GRACE_MS, clock);
    },
  };
}

const everybody = (): Promise<void> => Promise.resolve();

function embedded(
  world: Watch<World>,
  { clock, own }: VizOptions,
  intervalMs: number,
  scope: Scope,
): Metrics {
  const store = new Store(intervalMs);
  scope.defer(scrape(world, store, clock, intervalMs, metricsReader(intervalMs, own)));
  return store;
}

function join(grpc: HttpService, tapping: HttpService, page: HttpService): HttpService {
  return (req) => {
    if (header(req.headers, "content-type")?.startsWith("application/grpc")) return grpc(req);
    return req.path.startsWith("/apis") ? tapping(req) : page(req);
  };
}

async function serve(
  conn: Conn,
  service: HttpService,
  serving: Serving,
  clock: Clock,
): Promise<void> {
  const { protocol, first } = await detect(conn, DETECT_MS, clock);
  if (protocol === "http/2") await serving.serve(serveH2(conn, service, { clock }, first));
  else if (protocol === "http/1") await serving.serve(serveH1(conn, service, { clock }, first));
}

async function nextFree(addr: SocketAddr, accept: (conn: Conn) => void): Promise<Listening> {
  for (let port = addr.port; ; port++) {
    try {
      return await listen({ ...addr, port }, {}, accept);
    } catch (error) {
      if (Fault.from(error).code !== "in-use" || port >= addr.port + PORTS_TRIED) throw error;
    }
  }
}
