// An identifier: names requests by a cookie, so that testers see another version of everything.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting }: Toolkit): Plugin => ({
  httpIdentifier: {
    "example.cookie": kind("httpIdentifier", {
      doc: "/svc/<value of the cookie>/<host>",
      fields: {
        cookie: setting.preset(setting.text, "version", "the cookie"),
        otherwise: setting.preset(setting.text, "stable", "what stands for an absent cookie"),
      },
      bind: ({ cookie, otherwise }) => {
        const pattern = new RegExp(`(?:^|;\\s*)${cookie}=([\\w-]+)`);
        return ({ headers, authority }) => {
          if (authority === "") return "Host header is absent";
          const at = headers.findIndex(
            (field, i) => i % 2 === 0 && field.toLowerCase() === "cookie",
          );
          const found = at < 0 ? undefined : pattern.exec(headers[at + 1]!)?.[1];
          return [found ?? otherwise, authority];
        };
      },
    }),
  },
});
