// The namers of a file as mounts, in the order in which they are asked: the last one first, and the built-in names
// behind all of them. A kind that this build cannot serve fails its names and says so, so that the rest of the file
// works.

import { Fault } from "../base/fault.ts";
import { failed } from "../base/watch.ts";
import { builtins } from "../name/builtin.ts";
import { type Bound, lookupIn, type Mount, type Name, type Namer } from "../name/bind.ts";
import { dnssrvNamer } from "../name/dnssrv.ts";
import { fsNamer } from "../name/fs.ts";
import type { NameTree } from "../name/nametree.ts";
import type { Path } from "../name/path.ts";
import { remember } from "../name/remember.ts";
import { rewriteNamer } from "../name/rewrite.ts";
import {
  constTransformer,
  localhostTransformer,
  portTransformer,
  replaceTransformer,
  specificHostTransformer,
  subnetTransformer,
  transformed,
  type Transformer,
} from "../name/transform.ts";
import { bindPlugin, type Plugins } from "./plugin.ts";
import type { Linker } from "./routerparts.ts";
import { namerPrefix, type NamerConfig, type TransformerConfig } from "./yamlnamer.ts";

/** The mounts of these namers. */
export function mountNamers(
  configs: readonly NamerConfig[],
  linker: Linker,
  plugins: Plugins,
): Mount[] {
  const mounts: Mount[] = [];
  for (const config of configs.toReversed()) {
    const prefix = namerPrefix(config);
    const namer = bindNamer(config, prefix, linker, plugins);
    mounts.push({
      prefix,
      namer: transformed(namer, bindTransformers(config.transformers, mounts, linker)),
    });
  }
  mounts.push(builtins(linker.network));
  return mounts;
}

/** The transformers of a namer or an interpreter; those that look names up do it in `mounts`. */
export function bindTransformers(
  configs: readonly TransformerConfig[],
  mounts: readonly Mount[],
  { env }: Linker,
): Transformer[] {
  return configs.map((config): Transformer => {
    const own = (...more: string[]): Path => config.prefix ?? ["%", config.kind, ...more];
    switch (config.kind) {
      case "io.l5d.localhost":
        return localhostTransformer(own());
      case "io.l5d.specificHost":
        return specificHostTransformer(own(config.host), config.host);
      case "io.l5d.port":
        return portTransformer(own(String(config.port)), config.port);
      case "io.l5d.replace":
        return replaceTransformer(config.prefix ?? [], config.path, lookupIn([], mounts));
      case "io.l5d.const":
        return constTransformer(config.prefix ?? [], config.path, lookupIn([], mounts));
      case "io.l5d.k8s.localnode": {
        const ip = env["POD_IP"];
        if (config.hostNetwork || ip === undefined) return unserved(config.kind);
        return subnetTransformer(config.kind, own(ip), ip, 24);
      }
      default:
        return unserved(config.kind);
    }
  });
}

function bindNamer(
  config: NamerConfig,
  prefix: Path,
  { network }: Linker,
  plugins: Plugins,
): Namer {
  switch (config.kind) {
    case "io.l5d.fs":
      return fsNamer(config.rootDir, prefix, network);
    case "io.l5d.rewrite":
      return rewriteNamer(config.pattern.pattern, config.name);
    case "io.l5d.dnssrv":
      return dnssrvNamer(prefix, config.refreshIntervalSeconds * 1000, config.dnsHosts, network);
    default:
      if (plugins.parts.namer?.[config.kind]) {
        const namer = bindPlugin(plugins, "namer", { ...(config as { kind: string }), prefix });
        return network.knowledge ? remember(namer, prefix, network.knowledge) : namer;
      }
      return { bind: () => failed<NameTree<Name>>(cannot(config.kind)) };
  }
}

function unserved(kind: string): Transformer {
  return { kind, each: () => failed<NameTree<Bound>>(cannot(kind)) };
}

function cannot(kind: string): Fault {
  return new Fault("not-implemented", `${kind} is not available in this build`);
}
