// A namer: services by a list of addresses in the environment, such as WEB_ADDRESSES=127.0.0.1:9001,127.0.0.1:9002.
// `/#/example.env/web` is bound to what WEB_ADDRESSES holds; a name without a variable is negative, so that an
// alternation goes on.

import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting, watch, name }: Toolkit): Plugin => ({
  namer: {
    "example.env": kind("namer", {
      doc: "addresses of services in the environment",
      fields: {
        suffix: setting.preset(setting.text, "_ADDRESSES", "what follows the name of a service"),
      },
      bind: ({ suffix, prefix }) => ({
        bind: ([service, ...residual]) => {
          const value = service && process.env[`${service.toUpperCase()}${suffix}`];
          if (!service || !value) return watch.constant(name.neg);
          const addresses = value.split(",").map((text) => {
            const [ip = "", port] = text.trim().split(":");
            return name.address(ip, Number(port));
          });
          const id = [...prefix, service];
          const addr = watch.constant(name.boundAddr(addresses));
          return watch.constant(name.leaf({ id, residual, addr }));
        },
      }),
    }),
  },
});
