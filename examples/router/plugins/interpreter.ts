// An interpreter: binds every name to one service while a maintenance file exists, and as ever otherwise.

import { existsSync } from "node:fs";
import type { Plugin, Toolkit } from "../../../src/router/plugin.ts";

export const plugin = ({ kind, setting, watch, binding }: Toolkit): Plugin => ({
  interpreter: {
    "example.maintenance": kind("interpreter", {
      doc: "one page for everybody while a file exists",
      fields: {
        file: setting.required(setting.text, "the file"),
        page: setting.required(setting.path, "the name of the page's service"),
      },
      bind:
        ({ file, page }, { clock }) =>
        (mounts) => {
          const usual = binding.interpreter(mounts);
          const isClosed = watch.source<boolean>((set) => {
            const look = (): void => set({ kind: "ok", value: existsSync(file) });
            look();
            const timer = clock.every(500, look);
            return () => timer.cancel();
          });
          return {
            bind: (dtab, asked) =>
              isClosed.distinct().flatMap((closed) => usual.bind(dtab, closed ? page : asked)),
            delegate: (dtab, asked) =>
              isClosed.distinct().flatMap((closed) => usual.delegate!(dtab, closed ? page : asked)),
          };
        },
    }),
  },
});
