// A router of a file as it runs: its page bound, its servers' services, its metrics. It is made anew when its part of
// the file changes, and closed when nobody needs the old one any more.

import type { Close } from "../base/watch.ts";
import { type BoundIdentifier, bindIdentifier } from "./identifier.ts";
import { bindInterpreter } from "./interpreters.ts";
import { bindPlugin } from "./plugin.ts";
import { type BoundRouter, bindRouter } from "./router.ts";
import { accessLogOf } from "./routeraccesslog.ts";
import type { RequestRouterConfig, ServerConfig } from "./routerconfig.ts";
import type { FileParts, RouterParts } from "./routerparts.ts";
import { limitsOf, type RequestServed, serverName } from "./routerserver.ts";
import { ScopeConns } from "./scopeconns.ts";
import { ScopeStats } from "./scopestats.ts";
import { serverSpans } from "./telemeter.ts";
import { watchServerTls } from "./tlsfiles.ts";

export class RouterInstance {
  readonly config: RequestRouterConfig;
  readonly parts: RouterParts;
  readonly identifier: BoundIdentifier;
  readonly bound: BoundRouter;
  /** What serves each of its servers, in the order of the file. */
  readonly servers: readonly RequestServed[];
  readonly #closers: Close[];

  constructor(config: RequestRouterConfig, file: FileParts) {
    const { clock, logger, metrics, plugins, telemeters } = file;
    const scope = metrics.at("rt", config.label);
    this.#closers = [scope.hold()];
    this.config = config;
    this.parts = { ...file, config, scope, interpreter: bindInterpreter(config.interpreter, file) };
    scope.gauge(() => (config.originator ? 1 : 0), "originator");
    const filters = config.filters.map((settings) => bindPlugin(plugins, "filter", settings));
    this.identifier = bindIdentifier(config, file);
    this.#closers.push(() => this.identifier.close());
    this.bound = bindRouter(this.parts, this.identifier.identify, filters);
    const accessLog = accessLogOf(config, clock, logger);
    if (accessLog !== undefined) this.#closers.push(() => accessLog.close());
    const configs: readonly ServerConfig[] = config.servers;
    this.servers = configs.map((settings): RequestServed => {
      const name = serverName(settings);
      const server = scope.at("server", name);
      this.#closers.push(server.hold());
      const stats = new ScopeStats(server, true);
      const watchers = [stats, ...serverSpans(telemeters), ...(accessLog ? [accessLog] : [])];
      const tls = settings.tls && watchServerTls(settings.tls, clock);
      // Looked at all the time, so that the files are read once and then watched.
      if (tls) this.#closers.push(tls.observe(() => {}));
      return {
        kind: "request",
        protocol: config.protocol,
        label: config.label,
        name,
        settings,
        limits: limitsOf(config),
        service: this.bound.server(settings, watchers),
        tls,
        conns: ScopeConns.of(server, clock),
      };
    });
  }

  close(): void {
    this.bound.caches.close();
    for (const close of this.#closers.splice(0)) close();
  }
}
