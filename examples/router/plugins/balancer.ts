// A balancer: always the first endpoint that is open, in the order in which discovery lists them.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind }: Toolkit): Plugin => ({
  loadBalancer: {
    "example.first": kind("loadBalancer", {
      doc: "the first endpoint that is open",
      bind: () => {
        let first: unknown;
        return {
          use: (endpoints) => (first = endpoints[0]),
          pick: () => first as never,
        };
      },
    }),
  },
});
