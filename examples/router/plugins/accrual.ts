// A failure accrual: two failures in a row, or half of the last ten requests.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting }: Toolkit): Plugin => ({
  failureAccrual: {
    "example.either": kind("failureAccrual", {
      doc: "failures in a row, or a share of the last requests",
      fields: {
        failures: setting.preset(setting.int(1), 2, "failures in a row"),
        successRate: setting.preset(setting.number(0, 1), 0.5, "the share of successes"),
      },
      bind: ({ failures, successRate }) => ({
        consecutive: failures,
        average: { threshold: successRate, requests: 10 },
      }),
    }),
  },
});
