// The file namer and the file interpreter, on real files.

import assert from "node:assert/strict";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { systemClock } from "../base/clock.ts";
import { known, type State, type Watch } from "../base/watch.ts";
import { type Addr, address, boundAddr } from "./addr.ts";
import { bindName, type Bound, lookupIn, type Mount } from "./bind.ts";
import { parseDtab } from "./dtab.ts";
import { fsNamer, parseEndpoints } from "./fs.ts";
import { boundNames, interpreter, watchDtabFile } from "./interpreter.ts";
import { leaves, type NameTree, printTree } from "./nametree.ts";
import { parsePath, printPath } from "./path.ts";

const network = {
  clock: systemClock,
  dns: {
    lookup: async (host: string) => (host === "two" ? ["192.0.2.1", "192.0.2.2"] : []),
    srv: async () => [],
  },
};
let folder = "";
let mount: Mount;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "disco-"));
  const prefix = parsePath("/#/io.l5d.fs");
  mount = { prefix, namer: fsNamer(folder, prefix, network) };
});
after(() => rm(folder, { recursive: true }));

const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);

/** Keeps a watch open; `until` waits for a state that the test wants. */
function follow<T>(watch: Watch<T>) {
  let state: State<T> = { kind: "pending" };
  let wake = (): void => {};
  const close = watch.observe((s) => {
    state = s;
    wake();
  });
  const until = async (accept: (state: State<T>) => boolean): Promise<State<T>> => {
    while (!accept(state)) await new Promise<void>((resolve) => (wake = resolve));
    return state;
  };
  return { until, close };
}

const treeOf = (name: string): Watch<NameTree<Bound>> =>
  bindName(lookupIn([], [mount]), parsePath(name));
const show = (tree: NameTree<Bound>): string =>
  printTree(tree, (b) => `${printPath(b.id)} + ${printPath(b.residual)}`);
const bindsTo = (text: string) => (state: State<NameTree<Bound>>) => {
  const tree = known(state);
  return tree !== undefined && show(tree) === text;
};
const isAddr = (addr: Addr) => (state: State<Addr>) =>
  JSON.stringify(known(state)) === JSON.stringify(addr);

async function addrOf(name: string): Promise<Watch<Addr>> {
  const tree = await treeOf(name).next((t) => t.kind === "leaf");
  return [...leaves(tree)][0]!.addr;
}

test("A4: two lines, a weight, comments; a host name may stand for several addresses", async () => {
  await write("web", "192.0.2.220 8080 # first\n\n# none\n192.0.2.210   8080 * 2.0\n");
  const { until, close } = follow(await addrOf("/#/io.l5d.fs/web"));
  await until(isAddr(boundAddr([address("192.0.2.220", 8080), address("192.0.2.210", 8080, 2)])));
  await write("web", "two 80\nnobody 80\n");
  await until(isAddr(boundAddr([address("192.0.2.1", 80), address("192.0.2.2", 80)])));
  close();
});

test("lines that are none", () => {
  for (const line of [
    "web",
    "web 0",
    "web 65536",
    "web 80 2",
    "web 80 * ",
    "web 80 * x",
    "web 80 * 1 2",
    "web 1e3",
  ]) {
    assert.throws(() => parseEndpoints(`ok 1\n${line}\n`), {
      message: `malformed address: ${line.trim()}`,
    });
  }
});

test("a missing file is negative, an empty one is bound to nothing, and both change at once", async () => {
  const tree = follow(treeOf("/#/io.l5d.fs/new/rest"));
  await tree.until(bindsTo("~"));
  await write("new", "");
  await tree.until(bindsTo("/#/io.l5d.fs/new + /rest"));
  const addr = follow(await addrOf("/#/io.l5d.fs/new"));
  await addr.until(isAddr(boundAddr([])));
  await write("new", "127.0.0.1 1\n");
  await addr.until(isAddr(boundAddr([address("127.0.0.1", 1)])));
  await rm(join(folder, "new"));
  await tree.until(bindsTo("~"));
  await addr.until(isAddr({ kind: "neg" }));
  tree.close();
  addr.close();
});

test("a file replaced by another, as editors and orchestrators do", async () => {
  await write("swap", "127.0.0.1 1\n");
  const { until, close } = follow(await addrOf("/#/io.l5d.fs/swap"));
  await until(isAddr(boundAddr([address("127.0.0.1", 1)])));
  await write(".swap.new", "127.0.0.1 2\n");
  await rename(join(folder, ".swap.new"), join(folder, "swap"));
  await until(isAddr(boundAddr([address("127.0.0.1", 2)])));
  close();
});

test("a bad line fails a first reading, and keeps the last good set of a later one", async () => {
  await write("bad", "oops\n");
  const first = follow(await addrOf("/#/io.l5d.fs/bad"));
  const state = await first.until((s) => s.kind === "failed");
  assert.equal(state.kind === "failed" && state.fault.message, "malformed address: oops");
  await write("bad", "127.0.0.1 1\n");
  await first.until(isAddr(boundAddr([address("127.0.0.1", 1)])));
  await write("bad", "oops again\n");
  await write("witness", "");
  await treeOf("/#/io.l5d.fs/witness").next((t) => t.kind === "leaf");
  assert.deepEqual(known(await first.until(() => true)), boundAddr([address("127.0.0.1", 1)]));
  first.close();
});

test("files in folders are names too, and no name leads out of the folder", async () => {
  await mkdir(join(folder, "team", "a"), { recursive: true });
  await write("team/a/svc", "127.0.0.1 1\n");
  const expected: [string, string][] = [
    ["/#/io.l5d.fs/team/a/svc/x", "/#/io.l5d.fs/team/a/svc + /x"],
    ["/#/io.l5d.fs/team/a", "~"],
    ["/#/io.l5d.fs/team/b/svc", "~"],
    ["/#/io.l5d.fs/../etc/passwd", "~"],
    ["/#/io.l5d.fs/team\\x2fa\\x2fsvc", "~"],
    ["/#/io.l5d.fs", "~"],
  ];
  for (const [name, bound] of expected) assert.equal(show(await treeOf(name).next()), bound, name);
});

test("the namer lists its names", async () => {
  await write("listed", "");
  const { until, close } = follow(boundNames([mount]));
  await until((s) => known(s)?.some((path) => printPath(path) === "/#/io.l5d.fs/listed") ?? false);
  close();
});

test("the file interpreter: stored rules come before the router's, and a mistake keeps the last good ones", async () => {
  await write("dtab", "/svc => /#/io.l5d.fs/stored; # stored");
  for (const name of ["stored", "mine"]) await write(name, "");
  const names = interpreter([mount], [], watchDtabFile(join(folder, "dtab"), systemClock));
  const router = follow(names.bind(parseDtab("/mine => /#/io.l5d.fs/mine"), ["svc"]));
  await router.until(bindsTo("/#/io.l5d.fs/stored + /"));
  const override = follow(names.bind(parseDtab("/svc => /#/io.l5d.fs/mine"), ["svc"]));
  await override.until(bindsTo("/#/io.l5d.fs/mine + /"));
  const stored = follow(names.dtab);
  await write("dtab", "/svc => {");
  const failed = await stored.until((s) => s.kind === "failed");
  assert.equal(
    failed.kind === "failed" && failed.fault.message,
    "simple expected but '{' found at '/svc => [{]'",
  );
  await router.until(bindsTo("/#/io.l5d.fs/stored + /"));
  await write("dtab", "/svc => /#/io.l5d.fs/mine");
  await router.until(bindsTo("/#/io.l5d.fs/mine + /"));
  for (const { close } of [router, override, stored]) close();
});
