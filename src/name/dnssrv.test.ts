// The SRV namer, against a resolver of the test's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { known, type State } from "../base/watch.ts";
import { type Addr, address, boundAddr } from "./addr.ts";
import { isPath, type Name } from "./bind.ts";
import { dnssrvNamer } from "./dnssrv.ts";
import { type NameTree, printTree } from "./nametree.ts";
import { printPath } from "./path.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const refuse = (code: string): never => {
  throw Object.assign(new Error(code), { code });
};

test("records become endpoints; no records are negative; a resolver that fails keeps the last ones", async () => {
  const clock = new VirtualClock();
  let answer = (): { name: string; port: number }[] => refuse("ETIMEOUT");
  const asked: unknown[] = [];
  const dns = {
    lookup: async (host: string) => [host === "a.test" ? "192.0.2.1" : "192.0.2.2"],
    srv: async (...question: unknown[]) => {
      asked.push(question);
      return answer();
    },
  };
  const namer = dnssrvNamer(["#", "io.l5d.dnssrv"], 1000, ["192.0.2.53"], { clock, dns });
  let state = { kind: "pending" } as State<NameTree<Name>>;
  let addr = { kind: "pending" } as State<Addr>;
  const close = namer.bind(["_http._tcp.test", "rest"]).observe((s) => (state = s));
  const now = (): string => {
    const tree = known(state);
    return tree
      ? printTree(tree, (n) => (isPath(n) ? "" : `${printPath(n.id)} + ${printPath(n.residual)}`))
      : state.kind;
  };
  const step = async (next: typeof answer): Promise<string> => {
    answer = next;
    clock.advance(1000);
    await turn();
    await turn();
    return now();
  };
  await turn();
  assert.equal(now(), "~");
  assert.deepEqual(asked[0], ["_http._tcp.test", ["192.0.2.53"]]);
  const bound = "/#/io.l5d.dnssrv/_http._tcp.test + /rest";
  const two = [
    { name: "b.test", port: 2 },
    { name: "a.test", port: 1 },
  ];
  assert.equal(await step(() => two), bound);
  const tree = known(state)!;
  const stop =
    tree.kind === "leaf" && !isPath(tree.value)
      ? tree.value.addr.observe((s) => (addr = s))
      : close;
  await turn();
  assert.deepEqual(known(addr), boundAddr([address("192.0.2.1", 1), address("192.0.2.2", 2)]));
  assert.equal(await step(() => refuse("ETIMEOUT")), bound);
  assert.equal(await step(() => []), "~");
  assert.equal(await step(() => two), bound);
  assert.equal(await step(() => refuse("ENOTFOUND")), "~");
  close();
  stop();
  const count = asked.length;
  clock.advance(10_000);
  await turn();
  assert.equal(asked.length, count);
});
