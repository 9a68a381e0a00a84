// The endpoints of a service's port as streams share them. All who may use the same endpoints get one object, which stays
// the same for as long as the set does, and what leads from one to the next is made once for all: with two hundred
// streams of a service with five hundred pods, a change costs as much as with one.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Update, WeightedAddr } from "../../proto/gen/destination_pb.js";
import { UpdateSchema, WeightedAddrSchema } from "../../proto/gen/destination_pb.js";
import type { Init } from "./init.ts";
import type { World } from "./world.ts";

/** The ready endpoints of a service's port, by address. */
export type EndpointSet = {
  readonly labels: Readonly<Record<string, string>>;
  readonly addrs: ReadonlyMap<string, WeightedAddr>;
};

type Sets = Map<string, EndpointSet>;

const NOBODY: ReadonlyMap<string, WeightedAddr> = new Map();

// Those of the latest world, and of the one before, to hand out again where nothing changed.
let sets: { readonly world: WeakRef<World>; readonly now: Sets; readonly before: Sets } | undefined;
/** By the later set: the one before it, and the messages between them. */
const steps = new WeakMap<EndpointSet, { before: EndpointSet | undefined; updates: Update[] }>();

/** The set that `key` stands for in `world`, which names all that it depends on; `make` makes it for the first who asks. */
export function sharedSet(world: World, key: string, make: () => EndpointSet): EndpointSet {
  if (sets?.world.deref() !== world) {
    sets = { world: new WeakRef(world), now: new Map(), before: sets?.now ?? new Map() };
  }
  let found = sets.now.get(key);
  if (!found) {
    found = make();
    const before = sets.before.get(key);
    if (before && updatesBetween(before, found).length === 0) found = before;
    sets.now.set(key, found);
  }
  return found;
}

/** The messages that turn what a client has into what it should have; additions first, so that who is between two of
 * them has endpoints. Nothing, when all is the same. */
export function updatesBetween(before: EndpointSet | undefined, now: EndpointSet): Update[] {
  if (before === now) return [];
  const known = steps.get(now);
  if (known && known.before === before) return known.updates;
  const updates = difference(before?.addrs ?? NOBODY, now);
  steps.set(now, { before, updates });
  return updates;
}

function difference(had: ReadonlyMap<string, WeightedAddr>, now: EndpointSet): Update[] {
  const gone = [...had].filter(([key]) => !now.addrs.has(key)).map(([, { addr }]) => addr!);
  const added = [...now.addrs].filter(([key, addr]) => !sameAddr(had.get(key), addr));
  const updates: Init<typeof UpdateSchema>[] = [];
  if (added.length > 0) {
    const addrs = added.map(([, addr]) => addr);
    updates.push({ update: { case: "add", value: { addrs, metricLabels: now.labels } } });
  }
  if (gone.length > 0) updates.push({ update: { case: "remove", value: { addrs: gone } } });
  return updates.map((update) => create(UpdateSchema, update));
}

function sameAddr(a: WeightedAddr | undefined, b: WeightedAddr): boolean {
  if (a === undefined || a === b) return a === b;
  const [left, right] = [a, b].map((each) => Buffer.from(toBinary(WeightedAddrSchema, each)));
  return left!.equals(right!);
}
