// A telemeter: tells the log of every request that took long.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting }: Toolkit): Plugin => ({
  telemeter: {
    "example.slow": kind("telemeter", {
      doc: "requests that took longer than a time, in the log",
      fields: { afterMs: setting.preset(setting.int(1), 100, "the time") },
      bind: ({ afterMs }, { logger }) => ({
        sampleRate: 1,
        server: (x, { name, client }) => {
          const tookMs = Math.round(x.endAt - x.at);
          if (tookMs < afterMs) return;
          logger.warn("slow request", { tookMs, service: name?.text, client: client?.id });
        },
      }),
    }),
  },
});
