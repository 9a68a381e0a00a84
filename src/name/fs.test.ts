// The file namer and the file interpreter, on real files.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import promises, { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { type Clock, systemClock } from "../base/clock.ts";
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
/** A clock that never comes back to look whether something has changed. */
const stillClock: Clock = {
  now: () => systemClock.now(),
  wall: () => systemClock.wall(),
  after: (ms, fn) => systemClock.after(ms, fn),
  every: () => ({ cancel() {} }),
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

test(
  "one watcher serves all names of a folder, and a change is a look at one file",
  {
    skip: process.platform !== "linux",
  },
  async (t) => {
    const clock: Clock = {
      now: () => systemClock.now(),
      wall: () => systemClock.wall(),
      after: (ms, fn) => systemClock.after(ms, fn),
      every: () => ({ cancel() {} }),
    };
    const many = await mkdtemp(join(tmpdir(), "disco-"));
    t.after(() => rm(many, { recursive: true }));
    const names = Array.from({ length: 100 }, (_, n) => `web${n}`);
    for (const name of names) await writeFile(join(many, name), "192.0.2.1 80\n");
    const namer = fsNamer(many, ["#", "fs"], { ...network, clock });
    const before = watchCount();
    const told: string[] = [];
    const all = names.map((name) => {
      const addr = namer.bind([name]).map((tree) => [...leaves(tree)][0] as Bound);
      return follow(addr.flatMap((bound) => bound.addr.map((found) => (told.push(name), found))));
    });
    for (const { until } of all) await until(isAddr(boundAddr([address("192.0.2.1", 80)])));
    assert.equal(watchCount() - before, 1);

    told.length = 0;
    const [stats, reads] = [t.mock.method(promises, "stat"), t.mock.method(promises, "readFile")];
    syncBuiltinESMExports();
    await writeFile(join(many, "web7"), "192.0.2.1 80\n192.0.2.2 80\n");
    await all[7]!.until(isAddr(boundAddr(["192.0.2.1", "192.0.2.2"].map((ip) => address(ip, 80)))));
    const seen = [...stats.mock.calls, ...reads.mock.calls].map((call) =>
      basename(call.arguments[0] as string),
    );
    t.mock.restoreAll();
    syncBuiltinESMExports();
    assert.deepEqual([told, new Set(seen)], [["web7"], new Set(["web7"])]);
    for (const { close } of all) close();
    assert.equal(watchCount(), before);
  },
);

/** The inotify watches of this process. */
function watchCount(): number {
  const all = readdirSync("/proc/self/fdinfo").map((fd) => {
    try {
      return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
    } catch {
      return ""; // The one that the listing itself took.
    }
  });
  return all.join("").match(/^inotify wd:/gm)?.length ?? 0;
}

test("an empty file that was not empty is given a moment to be written", async () => {
  let believe: (() => void) | undefined;
  const clock: Clock = {
    ...stillClock,
    after: (ms, fn) => {
      if (ms < 100) return systemClock.after(ms, fn);
      believe = fn;
      return { cancel() {} };
    },
  };
  await write("slow", "192.0.2.1 80\n");
  const namer = fsNamer(folder, ["#", "fs"], { ...network, clock });
  const tree = await namer.bind(["slow"]).next();
  const kinds: string[] = [];
  const addr = ([...leaves(tree)][0] as Bound).addr.map((found) => (kinds.push(found.kind), found));
  const { until, close } = follow(addr);
  await until(isAddr(boundAddr([address("192.0.2.1", 80)])));
  await write("slow", "");
  while (believe === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  await write("slow", "192.0.2.2 80\n");
  believe();
  await until(isAddr(boundAddr([address("192.0.2.2", 80)])));
  assert.equal(kinds.length, 2);
  close();
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
  const dtab = watchDtabFile(join(folder, "dtab"), systemClock);
  const names = interpreter([mount], [], dtab);
  const router = follow(names.bind(parseDtab("/mine => /#/io.l5d.fs/mine"), ["svc"]));
  await router.until(bindsTo("/#/io.l5d.fs/stored + /"));
  const override = follow(names.bind(parseDtab("/svc => /#/io.l5d.fs/mine"), ["svc"]));
  await override.until(bindsTo("/#/io.l5d.fs/mine + /"));
  const stored = follow(dtab);
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
