// The namer `io.l5d.dnssrv`: the SRV records of a name, asked again and again.
// No records, or none yet, is negative; a resolver that fails later keeps the last good records.

import { constant, source, type Watch } from "../base/watch.ts";
import type { Name, Namer } from "./bind.ts";
import { isUnknownHost, type Network, watchEndpoints } from "./inet.ts";
import { leaf, type NameTree, neg } from "./nametree.ts";
import type { Path } from "./path.ts";
import { remembered } from "./knowledge.ts";
import { poll } from "./poll.ts";

/** Asks `servers` (the system's, when empty) for `/<srv.name>` every `refreshMs`. */
export function dnssrvNamer(
  prefix: Path,
  refreshMs: number,
  servers: readonly string[],
  network: Network,
): Namer {
  const watches = new Map<string, Watch<readonly Target[]>>();
  const watchTargets = (name: string): Watch<readonly Target[]> => {
    const shared = watches.get(name);
    if (shared) return shared;
    const found = watchSrv(name, refreshMs, servers, network);
    // Shared for as long as somebody looks: requests may name any number of hosts.
    const watch = source<readonly Target[]>((set) => {
      watches.set(name, watch);
      const close = found.observe(set);
      return () => {
        watches.delete(name);
        close();
      };
    });
    return watch;
  };
  return {
    bind([name, ...residual]) {
      if (name === undefined) return constant<NameTree<Name>>(neg);
      const targets = watchTargets(name);
      const addr = targets.flatMap((found) =>
        watchEndpoints(
          found.map((target) => ({ host: target.name, port: target.port, weight: 1 })),
          network,
        ),
      );
      const tree: NameTree<Name> = leaf({ id: [...prefix, name], residual, addr });
      return targets
        .map((found) => found.length > 0)
        .distinct()
        .map((some) => (some ? tree : neg));
    },
  };
}

type Target = { name: string; port: number };

function watchSrv(
  name: string,
  refreshMs: number,
  servers: readonly string[],
  network: Network,
): Watch<readonly Target[]> {
  const { clock, dns, knowledge } = network;
  const what = `srv ${name}`;
  let answered = knowledge?.has(what) ?? false;
  const ask = async (): Promise<readonly Target[]> => {
    try {
      const found = await dns.srv(name, servers);
      answered = true;
      return found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.port - b.port));
    } catch (error) {
      if (isUnknownHost(error) || !answered) return [];
      throw error;
    }
  };
  const found = poll(clock, refreshMs, ask);
  return remembered(
    network,
    what,
    found.distinct((a, b) => JSON.stringify(a) === JSON.stringify(b)),
  );
}
