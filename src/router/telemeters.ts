// The telemeters of a file, each loaded where a file has it. Metrics are no telemeters here: their pages are the admin
// server's.

import { bindPlugin, type Plugins } from "./plugin.ts";
import type { Linker } from "./routerparts.ts";
import type { Telemeter } from "./telemeter.ts";
import type { TelemeterConfig } from "./yamltelemetry.ts";

/** Those that want to hear of requests. */
export async function bindTelemeters(
  configs: readonly TelemeterConfig[],
  linker: Linker,
  plugins: Plugins,
): Promise<Telemeter[]> {
  const found = await Promise.all(configs.map((config) => bind(config, linker, plugins)));
  return found.filter((telemeter) => telemeter !== undefined);
}

async function bind(
  config: TelemeterConfig,
  linker: Linker,
  plugins: Plugins,
): Promise<Telemeter | undefined> {
  switch (config.kind) {
    case "io.l5d.recentRequests": {
      const { RecentRequests } = await import("./recentrequests.ts");
      return new RecentRequests(config, linker.clock);
    }
    case "io.l5d.tracelog":
      return (await import("./tracelog.ts")).tracelog(config, linker.log);
    case "io.l5d.prometheus":
    case "io.l5d.influxdb":
      return undefined;
    case "io.l5d.statsd":
      return new (await import("./statsd.ts")).Statsd(config, linker);
    case "io.l5d.zipkin":
      return new (await import("./zipkin.ts")).Zipkin(config, linker);
    case "io.l5d.otlp":
      return (await import("./otlptelemeter.ts")).otlpTelemeter(config, linker);
    default:
      return bindPlugin(plugins, "telemeter", config);
  }
}
