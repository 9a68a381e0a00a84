// Transformers: ids, addresses, and what is left where nothing is.

import assert from "node:assert/strict";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { constant, type Watch } from "../base/watch.ts";
import { absent, type Addr, address, boundAddr } from "./addr.ts";
import { type Bound, lookupIn } from "./bind.ts";
import { builtins } from "./builtin.ts";
import { interpreter } from "./interpreter.ts";
import { leaf, leaves, type NameTree, neg, union } from "./nametree.ts";
import { parsePath, printPath } from "./path.ts";
import {
  constTransformer,
  localhostTransformer,
  portTransformer,
  replaceTransformer,
  sameSubnet,
  specificHostTransformer,
  subnetTransformer,
  transform,
  transformed,
  type Transformer,
} from "./transform.ts";

const web = boundAddr([address("10.1.1.1", 80, 2, { nodeName: "n1" }), address("10.1.2.1", 80)], {
  authority: "w",
});
const bound = (addr: Addr = web): NameTree<Bound> =>
  leaf({ id: parsePath("/#/fs/web"), residual: ["x"], addr: constant(addr) });
const lookup = lookupIn(
  [],
  [builtins({ clock: new VirtualClock(), dns: { lookup: async () => [], srv: async () => [] } })],
);

function apply(
  transformer: Transformer,
  tree = bound(),
): { id: string; residual: string; addr: Addr }[] {
  let found: NameTree<Bound> | undefined;
  transform(transformer, tree).each((t) => (found = t))();
  return [...leaves(found!)].map((one) => ({
    id: printPath(one.id),
    residual: printPath(one.residual),
    addr: now(one.addr),
  }));
}

function now<T>(watch: Watch<T>): T {
  let found: T | undefined;
  watch.each((value) => (found = value))();
  return found!;
}

test("port, specificHost, subnet and localhost map addresses and prefix ids", () => {
  const all = web.kind === "bound" ? web.addresses : [];
  assert.deepEqual(apply(portTransformer(["%", "p"], 4140)), [
    {
      id: "/%/p/#/fs/web",
      residual: "/x",
      addr: { ...web, addresses: all.map((a) => ({ ...a, port: 4140 })) },
    },
  ]);
  assert.deepEqual(apply(specificHostTransformer(["%", "h"], "10.1.2.1"))[0]!.addr, {
    ...web,
    addresses: [all[1]],
  });
  assert.deepEqual(apply(specificHostTransformer(["%", "h"], "10.9.9.9"))[0]!.addr, absent);
  assert.deepEqual(apply(subnetTransformer("k", ["%", "s"], "10.1.1.200", 24))[0]!.addr, {
    ...web,
    addresses: [all[0]],
  });
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .map((one) => one.address);
  const here = boundAddr([...own, "127.9.9.9", "192.0.2.1"].map((ip) => address(ip, 1)));
  assert.deepEqual(
    apply(localhostTransformer(["%", "l"]), bound(here))[0]!.addr,
    boundAddr([...own, "127.9.9.9"].map((ip) => address(ip, 1))),
  );
});

test("subnets are compared bit by bit", () => {
  assert.ok(sameSubnet("10.1.1.1", "10.1.1.254", 24) && sameSubnet("1.2.3.4", "200.1.1.1", 0));
  assert.ok(sameSubnet("200.1.1.1", "200.1.1.1", 32) && !sameSubnet("200.1.1.1", "200.1.1.0", 32));
  assert.ok(!sameSubnet("10.1.1.1", "10.1.2.1", 24) && !sameSubnet("::1", "10.1.1.1", 0));
});

test("replace takes the place of every bound name, const that of everything", () => {
  const path = parsePath("/$/inet/127.1/9");
  const two = union({ weight: 1, tree: bound() }, { weight: 2, tree: bound() });
  const ids = (transformer: Transformer, tree: NameTree<Bound>) =>
    apply(transformer, tree).map(({ id }) => id);
  const replace = replaceTransformer([], path, lookup);
  assert.deepEqual(ids(replace, two), ["/$/inet/127.1/9", "/$/inet/127.1/9"]);
  assert.deepEqual(ids(replace, neg), []);
  const always = constTransformer(["%", "c"], path, lookup);
  assert.deepEqual(ids(always, neg), ["/%/c/$/inet/127.1/9"]);
  assert.deepEqual(ids(always, two), ["/%/c/$/inet/127.1/9"]);
});

test("transformers apply in their order, on a namer and on an interpreter; paths pass", () => {
  const order = [portTransformer(["%", "a"], 1), portTransformer(["%", "b"], 2)];
  const namer = transformed({ bind: () => constant(bound()) }, order);
  const check = (tree: NameTree<unknown>): void => {
    const [only] = [...leaves(tree as NameTree<Bound>)];
    assert.equal(printPath(only!.id), "/%/b/%/a/#/fs/web");
    const addr = now(only!.addr);
    assert.deepEqual(addr.kind === "bound" && addr.addresses.map((a) => a.port), [2, 2]);
  };
  check(now(namer.bind([])));
  check(
    now(
      interpreter([{ prefix: [], namer: { bind: () => constant(bound()) } }], order).bind([], []),
    ),
  );
  const still = leaf(["still", "a", "path"]);
  assert.deepEqual(now(transformed({ bind: () => constant(still) }, order).bind([])), still);
});
