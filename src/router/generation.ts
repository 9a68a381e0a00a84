// One version of a file, made ready to serve: its plug-ins, namers, telemeters and routers. What has not changed since
// the version before is taken over as it is, with its connections and all that was learned.

import { dirname } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Mount } from "../name/bind.ts";
import { mountNamers } from "./mounts.ts";
import { loadPlugins, type PluginContext, pluginKinds, type Plugins } from "./plugin.ts";
import { RouterInstance } from "./routerinstance.ts";
import type { FileParts, Linker } from "./routerparts.ts";
import type { Telemeter } from "./telemeter.ts";
import type { TcpRouter } from "./tcprouter.ts";
import { bindTelemeters } from "./telemeters.ts";
import { type ReadConfig, readRouterConfig } from "./yaml.ts";
import type { Router, RouterConfig } from "./yamlrouter.ts";
import { type Diagnostic, printDiagnostic, Source } from "./yamlsource.ts";

/** A file that was read, with its plug-ins. */
export type ReadFile = ReadConfig & { readonly plugins: Plugins };

export type AnyRouter = RouterInstance | TcpRouter;

export type Generation = {
  readonly text: string;
  readonly config: RouterConfig;
  readonly raw: unknown;
  readonly diagnostics: readonly Diagnostic[];
  readonly shared: FileParts;
  /** All routers, in the order of the file. */
  readonly all: readonly AnyRouter[];
  /** Those of requests. */
  readonly routers: readonly RouterInstance[];
  /** What tells whether a part has changed. */
  readonly sharedKey: string;
  readonly routerKeys: readonly string[];
};

type Raw = {
  routers?: unknown[];
  namers?: unknown;
  telemetry?: unknown;
  plugins?: unknown;
  stateDir?: unknown;
};

/** Reads a file with the kinds of its plug-ins. */
export async function readFile(
  text: string,
  file: string,
  { clock, random, logger }: PluginContext,
): Promise<ReadFile> {
  const { raw } = new Source(file, text);
  const named = (raw as Raw | undefined)?.plugins;
  const modules = Array.isArray(named) ? named.filter((one) => typeof one === "string") : [];
  const plugins = await loadPlugins(modules, dirname(file), { clock, random, logger });
  const options = { kinds: pluginKinds(plugins), warnsOfInert: true };
  return { ...readRouterConfig(text, file, options), plugins };
}

/** Makes `text` ready to serve. Rejects with all its mistakes, having changed nothing. */
export async function makeGeneration(
  text: string,
  file: string,
  linker: Linker,
  before: Generation | undefined,
): Promise<Generation> {
  const { config, diagnostics, raw, plugins } = await readFile(text, file, linker);
  if (config === undefined)
    throw new Fault("bad-input", diagnostics.map(printDiagnostic).join("\n"));
  const { routers: rawRouters = [], namers, telemetry, plugins: modules, stateDir } = raw as Raw;
  const sharedKey = JSON.stringify([namers, telemetry, modules, stateDir]);
  const routerKeys = rawRouters.map((one) => JSON.stringify(one));
  const isShared = before?.sharedKey === sharedKey;
  const shared = isShared ? before.shared : await share(config, plugins, linker);
  const all: AnyRouter[] = [];
  try {
    for (const [i, router] of config.routers.entries()) {
      const at = isShared ? before.routerKeys.indexOf(routerKeys[i]!) : -1;
      all.push(before?.all[at] ?? (await openRouter(router, shared)));
    }
  } catch (error) {
    closeGeneration({ all, shared }, before);
    throw error;
  }
  const routers = all.filter((router) => router instanceof RouterInstance);
  return { text, config, raw, diagnostics, shared, all, routers, sharedKey, routerKeys };
}

/** Closes the routers and telemeters of a generation, but for those that `kept` has too. */
export function closeGeneration(
  { all, shared }: Pick<Generation, "all" | "shared">,
  kept?: Generation,
): void {
  for (const router of all) if (!kept?.all.includes(router)) router.close();
  if (shared === kept?.shared) return;
  for (const telemeter of shared.telemeters) telemeter.close?.();
}

async function share(config: RouterConfig, plugins: Plugins, linker: Linker): Promise<FileParts> {
  linker.network.knowledge?.open(config.stateDir);
  const mounts: readonly Mount[] = mountNamers(config.namers, linker, plugins);
  const telemeters: readonly Telemeter[] = await bindTelemeters(config.telemetry, linker, plugins);
  return { ...linker, plugins, mounts, telemeters };
}

/** A router that can serve: it rejects when a TLS file of a server cannot be used. */
async function openRouter(config: Router, shared: FileParts): Promise<AnyRouter> {
  const router = await makeRouter(config, shared);
  try {
    for (const { tls } of router.servers) await tls?.next();
    if (router instanceof RouterInstance) await router.identifier.ready;
  } catch (error) {
    router.close();
    throw error;
  }
  return router;
}

async function makeRouter(config: Router, shared: FileParts): Promise<AnyRouter> {
  switch (config.protocol) {
    case "http":
    case "h2":
      return new RouterInstance(config, shared);
    case "tcp":
      return new (await import("./tcprouter.ts")).TcpRouter(config, shared);
    default:
      throw new Fault(
        "not-implemented",
        `router ${config.label}: the protocol ${config.protocol} is not available in this build; ` +
          "http, h2 and tcp are",
      );
  }
}
