// Worlds that know those of other clusters, for services whose pods are there. Another cluster is watched while a
// service of this one refers to it, and not before.

import type { Clock } from "../base/clock.ts";
import { type Close, source, type Watch } from "../base/watch.ts";
import { membersOf } from "./members.ts";
import { index, type World } from "./world.ts";

/** How long the first world waits for those of other clusters: who comes back shall not hear of services without pods. */
const PATIENCE_MS = 3000;

/** Worlds, with those of the clusters that their services refer to. */
export function withRemotes(
  worlds: Watch<World>,
  remote: (cluster: string) => Watch<World>,
  clock: Clock,
): Watch<World> {
  return source((set) => {
    const open = new Map<string, { readonly watch: Watch<World>; readonly close: Close }>();
    let waits = true;
    const tell = (): void => {
      const { state } = worlds;
      const all = [...open];
      if (state.kind !== "ok" || all.length === 0) return set(state);
      if (waits && all.some(([, { watch }]) => watch.state.kind === "pending")) return;
      waits = false;
      const remotes = new Map(
        all.flatMap(([name, { watch }]) => (watch.value ? [[name, watch.value] as const] : [])),
      );
      set({ kind: "ok", value: { ...state.value, remotes } });
    };
    const timer = clock.after(PATIENCE_MS, () => {
      waits = false;
      tell();
    });
    const close = worlds.observe((state) => {
      const wanted = state.kind === "ok" ? clustersOf(state.value) : new Set(open.keys());
      for (const [name, { close: end }] of open) if (!wanted.has(name) && open.delete(name)) end();
      for (const name of wanted) {
        if (open.has(name)) continue;
        const watch = remote(name);
        open.set(name, { watch, close: watch.observe(tell) });
      }
      tell();
    });
    return () => {
      timer.cancel();
      close();
      for (const { close: end } of open.values()) end();
    };
  });
}

const clustersOf = index(["Service"], (world): ReadonlySet<string> => {
  const members = [...world.Service.values()].flatMap((service) => membersOf(service) ?? []);
  return new Set(members.flatMap(({ cluster }) => cluster ?? []));
});
