// A filter: lets in only who knows a key, and tells the backend who that was. It stands where Linkerd 1 had nothing to
// plug in: around all that a router does with a request.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting, Fault }: Toolkit): Plugin => ({
  filter: {
    "example.keys": kind("filter", {
      doc: "lets in requests with a known x-api-key",
      fields: {
        keys: setting.required(setting.list(setting.text), "`key=name` for each client"),
      },
      bind: ({ keys }) => {
        const names = new Map(keys.map((pair) => pair.split("=") as [string, string]));
        return (next) => (req) => {
          const { headers } = req;
          const at = headers.findIndex(
            (name, i) => i % 2 === 0 && name.toLowerCase() === "x-api-key",
          );
          const client = at < 0 ? undefined : names.get(headers[at + 1]!);
          if (client === undefined) {
            const words = "this router wants a known x-api-key";
            return Promise.reject(new Fault("unauthenticated", words, { side: "client" }));
          }
          headers.splice(at, 2);
          headers.push("x-client", client);
          return next(req);
        };
      },
    }),
  },
});
