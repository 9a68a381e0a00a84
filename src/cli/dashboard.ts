// The verb `linkerd viz dashboard`: where the dashboard is, and a browser that shows it.

import { spawn } from "node:child_process";
import { command } from "./command.ts";
import { count, duration, oneOf, text } from "./flag.ts";
import { findMesh } from "./mesh.ts";
import { patiently } from "./patiently.ts";
import { DASHBOARD_PORT } from "./running.ts";
import { untilStopped } from "./terminal.ts";

export const dashboard = command({
  name: "dashboard",
  summary: "Open the dashboard in a browser",
  examples: [["Only say where it is", "viz dashboard --show url"]],
  flags: {
    address: text("HOST", "localhost", "Address to serve it on"),
    port: count("PORT", DASHBOARD_PORT, "Port to serve it on, or the next free one", {
      short: "p",
    }),
    show: oneOf(["linkerd", "grafana", "url"], "What to open; url only prints the address"),
    wait: duration("5m", "Longest wait for it to run"),
  },
  run: async ({ flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const url = await patiently(flags.wait, terminal, () =>
      mesh.dashboard(flags.address, flags.port, terminal.scope),
    );
    terminal.print(`Linkerd dashboard available at:\n${url}\n`);
    if (flags.show === "grafana") {
      terminal.note("There is no Grafana in this mesh; the dashboard draws its own charts.");
      return 1;
    }
    if (flags.show !== "url" && openBrowser(url, terminal.env))
      terminal.print("Opening Linkerd dashboard in the default browser\n");
    // Into a cluster, the address leads through this command, and ends with it.
    if (mesh.local === undefined) await untilStopped(terminal);
    return 0;
  },
});

const OPENERS: Readonly<Record<string, string>> = {
  darwin: "open",
  win32: "explorer",
  linux: "xdg-open",
};

// Where nobody sits in front of a display, the address is all there is to say.
function openBrowser(url: string, env: NodeJS.ProcessEnv): boolean {
  if (process.platform === "linux" && !env["DISPLAY"] && !env["WAYLAND_DISPLAY"]) return false;
  const opener = OPENERS[process.platform];
  if (!opener) return false;
  const child = spawn(opener, [url], { stdio: "ignore", detached: true });
  child.on("error", () => {});
  child.unref();
  return true;
}
