// A classifier: calls 404 a failure as well, and lets 429 and 503 be tried again for every method that only reads.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

const READS = new Set(["GET", "HEAD", "OPTIONS"]);

export const plugin = ({ kind, setting }: Toolkit): Plugin => ({
  httpClassifier: {
    "example.strict": kind("httpClassifier", {
      doc: "statuses that are failures, and those that may go again",
      fields: {
        failures: setting.preset(setting.list(setting.int(100, 599)), [404], "failures beside 5xx"),
        retries: setting.preset(
          setting.list(setting.int(100, 599)),
          [429, 503],
          "what may go again",
        ),
      },
      bind: ({ failures, retries }) => ({
        retries: retries.length > 0,
        isSuccess: ({ status }) =>
          status < 500 && !failures.includes(status) && !retries.includes(status),
        isRetryable: (req, rsp) =>
          READS.has(req.method) && (rsp === undefined || retries.includes(rsp.status)),
      }),
    }),
  },
});
