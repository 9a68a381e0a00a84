// The dashboard's build. Everything it needs is in its own files: no fonts, scripts or pictures from elsewhere.

import { join } from "node:path";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: "../dist/web",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The mesh's dashboard, and that of a router.
    rolldownOptions: {
      input: ["index.html", "router/index.html"].map((page) => join(import.meta.dirname, page)),
    },
  },
  // For work on the pages: `npx vite web`, beside a mesh such as that of `linkerd demo`.
  server: { host: "127.0.0.1", proxy: { "/api": "http://127.0.0.1:50750" } },
});
