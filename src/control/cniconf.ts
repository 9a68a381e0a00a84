// The configuration of a node's network (/etc/cni/net.d): our plugin as the last of the chain in the file that the
// container runtime reads, which is the first by name. Pure functions of names and texts; cniinstall.ts has the files.

import { Fault } from "../base/fault.ts";

/** The name of the plugin, which is that of its program. */
export const PLUGIN = "linkerd-cni";

/** An entry of a chain. */
export type CniPlugin = { readonly type?: string; readonly [key: string]: unknown };
type Conflist = {
  readonly cniVersion?: string;
  readonly name?: string;
  readonly plugins?: readonly CniPlugin[];
};

/** The file that a runtime reads of a folder with these names; undefined when there is none yet. */
export function activeConfig(names: readonly string[]): string | undefined {
  return names.filter((name) => /\.(conflist|conf|json)$/.test(name)).sort()[0];
}

/** The configuration with our plugin last in its chain; a single plugin becomes a chain. Throws `bad-input` for what is none. */
export function chained(text: string, plugin: CniPlugin): string {
  const { plugins, ...rest } = parseConfig(text);
  const others = plugins.filter(({ type }) => type !== PLUGIN);
  return print({ ...rest, plugins: [...others, { ...plugin, type: PLUGIN }] });
}

/** The configuration without our plugin. */
export function unchained(text: string): string {
  const { plugins, ...rest } = parseConfig(text);
  return print({ ...rest, plugins: plugins.filter(({ type }) => type !== PLUGIN) });
}

function parseConfig(text: string): Conflist & { readonly plugins: readonly CniPlugin[] } {
  let config: Conflist & CniPlugin;
  try {
    config = JSON.parse(text) as Conflist & CniPlugin;
  } catch (error) {
    throw new Fault("bad-input", `it is no JSON: ${(error as Error).message}`);
  }
  const { plugins } = config ?? {};
  if (Array.isArray(plugins) && plugins.every(isPlugin)) return { ...config, plugins };
  if (plugins !== undefined || typeof config?.type !== "string")
    throw new Fault("bad-input", "it has neither a list of plugins nor the type of one");
  const { cniVersion, name, ...plugin } = config;
  return {
    ...(cniVersion === undefined ? {} : { cniVersion }),
    name: name ?? config.type,
    plugins: [plugin],
  };
}

const isPlugin = (value: unknown): value is CniPlugin =>
  typeof value === "object" && value !== null;

const print = (config: Conflist): string => `${JSON.stringify(config, null, 2)}\n`;
