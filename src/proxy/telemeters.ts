// The telemeters of a file. Metrics are no telemeters here: their pages are the admin server's.

import { otlpTelemeter } from "./otlptelemeter.ts";
import { bindPlugin, type Plugins } from "./plugin.ts";
import { RecentRequests } from "./recentrequests.ts";
import type { Linker } from "./routerparts.ts";
import { Statsd } from "./statsd.ts";
import type { Telemeter } from "./telemeter.ts";
import { tracelog } from "./tracelog.ts";
import type { TelemeterConfig } from "./yamltelemetry.ts";
import { Zipkin } from "./zipkin.ts";

/** Those that want to hear of requests. */
export function bindTelemeters(
  configs: readonly TelemeterConfig[],
  linker: Linker,
  plugins: Plugins,
): Telemeter[] {
  return configs.flatMap((config): Telemeter[] => {
    switch (config.kind) {
      case "io.l5d.recentRequests":
        return [new RecentRequests(config, linker.clock)];
      case "io.l5d.tracelog":
        return [tracelog(config, linker.log)];
      case "io.l5d.prometheus":
      case "io.l5d.influxdb":
        return [];
      case "io.l5d.statsd":
        return [new Statsd(config, linker)];
      case "io.l5d.zipkin":
        return [new Zipkin(config, linker)];
      case "io.l5d.otlp":
        return [otlpTelemeter(config, linker)];
      default:
        return [bindPlugin(plugins, "telemeter", config)];
    }
  });
}
