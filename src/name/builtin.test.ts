// The names under `/$`: one table of names and what becomes of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { known, type State, type Watch } from "../base/watch.ts";
import { type Addr, address, boundAddr } from "./addr.ts";
import { type Bound, isPath } from "./bind.ts";
import { builtins } from "./builtin.ts";
import { type Dns, numericIp } from "./inet.ts";
import { printTree } from "./nametree.ts";
import { parsePath, printPath } from "./path.ts";

const noDns: Dns = { lookup: async () => [], srv: async () => [] };

function lookup(name: string, dns = noDns): { shown: string; bound?: Bound } {
  const { namer } = builtins({ clock: new VirtualClock(), dns });
  let bound: Bound | undefined;
  const tree = namer.bind(parsePath(name).slice(1)).value!;
  const shown = printTree(tree, (found) => {
    if (isPath(found)) return printPath(found);
    bound = found;
    return `${printPath(found.id)} + ${printPath(found.residual)}`;
  });
  return bound ? { shown, bound } : { shown };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what becomes of each built-in name", () => {
  const cases: [name: string, tree: string][] = [
    ["/$/nil/x", "$"],
    ["/$/fail/x", "!"],
    ["/$", "~"],
    ["/$/nothing/x", "~"],
    ["/$/inet/127.1/8080", "/$/inet/127.1/8080 + /"],
    ["/$/inet/h/80/rest/more", "/$/inet/h/80 + /rest/more"],
    ["/$/inet/8080", "/$/inet/8080 + /"],
    ["/$/inet/8080/rest", "/$/inet/8080 + /rest"],
    ["/$/inet/h/http", "~"],
    ["/$/inet/h/65536", "~"],
    ["/$/fixedinet/127.1/80", "/$/fixedinet/127.1/80 + /"],
    ["/$/io.buoyant.rinet/443/example.com/rest", "/$/io.buoyant.rinet/443/example.com + /rest"],
    ["/$/io.buoyant.rinet/example.com/443", "~"],
    ["/$/io.buoyant.hostportPfx/pfx/host:80/etc", "/pfx/host/80/etc"],
    ["/$/io.buoyant.hostportPfx/pfx/host:http", "/pfx/host/http"],
    ["/$/io.buoyant.hostportPfx/pfx/host", "~"],
    ["/$/io.buoyant.hostportPfx/pfx/host:80:90", "~"],
    ["/$/io.buoyant.hostportPfx/pfx/host:HTTP", "~"],
    [`/$/io.buoyant.hostportPfx/pfx/host:${"a".repeat(63)}`, `/pfx/host/${"a".repeat(63)}`],
    [`/$/io.buoyant.hostportPfx/pfx/host:${"a".repeat(64)}`, "~"],
    ["/$/io.buoyant.porthostPfx/pfx/host:80/etc", "/pfx/80/host/etc"],
    ["/$/io.buoyant.porthostPfx/pfx", "~"],
    ["/$/io.buoyant.http.anyMethod/GET/a/b", "/a/b"],
    ["/$/io.buoyant.http.anyMethod/get/a", "~"],
    ["/$/io.buoyant.http.anyMethodPfx/pfx/GET/a", "/pfx/a"],
    ["/$/io.buoyant.http.anyMethodPfx/pfx/a.b/a", "~"],
    ["/$/io.buoyant.http.anyHost/a.b:80/x", "/x"],
    ["/$/io.buoyant.http.anyHost/a%b/x", "~"],
    ["/$/io.buoyant.http.anyHostPfx/pfx/a_b/x", "/pfx/x"],
    ["/$/io.buoyant.http.subdomainOf/a.b/foo.a.b:90/x", "/foo/x"],
    ["/$/io.buoyant.http.subdomainOf/a.b/foo.c.b/x", "~"],
    ["/$/io.buoyant.http.subdomainOf/a.b/a.b/x", "~"],
    ["/$/io.buoyant.http.subdomainOfPfx/a.b/pfx/foo-1.a.b/x", "/pfx/foo-1/x"],
    ["/$/io.buoyant.http.domainToPath/foo.buoyant.io/etc", "/io/buoyant/foo/etc"],
    ["/$/io.buoyant.http.domainToPath/foo.io:80", "/io:80/foo"],
    ["/$/io.buoyant.http.domainToPathPfx/pfx/foo.buoyant.io/etc", "/pfx/io/buoyant/foo/etc"],
    ["/$/io.buoyant.http.domainToPathPfx/pfx", "~"],
    ["/$/io.buoyant.http.status/404/x", "/$/io.buoyant.http.status/404 + /x"],
    ["/$/io.buoyant.http.status/600", "~"],
  ];
  for (const [name, tree] of cases) assert.equal(lookup(name).shown, tree, name);
  assert.equal(lookup("/$/io.buoyant.http.status/404").bound!.status, 404);
});

test("numbers of hosts in their short forms", () => {
  const forms = {
    "127.1": "127.0.0.1",
    "10.0.0.1": "10.0.0.1",
    "192.168.258": "192.168.1.2",
    "1": "0.0.0.1",
  };
  for (const [short, ip] of Object.entries(forms)) assert.equal(numericIp(short), ip);
  for (const host of ["256.1.1.1", "1.2.3.4.5", "a.1", "127.", ""])
    assert.equal(numericIp(host), undefined);
  assert.equal(numericIp("::1"), "::1");
});

test("a host that is looked up again every 5 s; unknown is absent, a silent resolver keeps the last set", async () => {
  const clock = new VirtualClock();
  const answers: (string[] | string)[] = [
    ["192.0.2.2", "192.0.2.1"],
    ["192.0.2.1", "192.0.2.2"],
    "EAI_AGAIN",
    "ENOTFOUND",
  ];
  let asked = 0;
  const dns: Dns = {
    ...noDns,
    lookup: async (host) => {
      assert.equal(host, "example");
      const answer = answers[asked++] ?? [];
      if (typeof answer === "string") throw Object.assign(new Error(answer), { code: answer });
      return answer;
    },
  };
  const { namer } = builtins({ clock, dns });
  const tree = namer.bind(["inet", "example", "80"]).value!;
  assert.ok(tree.kind === "leaf" && !isPath(tree.value));
  const addr: Watch<Addr> = tree.value.addr;
  const states: State<Addr>[] = [];
  const close = addr.observe((state) => states.push(state));
  const both = boundAddr([address("192.0.2.1", 80), address("192.0.2.2", 80)]);
  await turn();
  assert.deepEqual(states.map(known), [both]);
  clock.advance(4999);
  assert.equal(asked, 1);
  clock.advance(1);
  await turn();
  assert.deepEqual(
    [asked, states.length],
    [2, 1],
    "the same addresses in another order are no change",
  );
  clock.advance(5000);
  await turn();
  assert.deepEqual(states.map((state) => [state.kind, known(state)]).at(-1), ["failed", both]);
  clock.advance(5000);
  await turn();
  assert.deepEqual(known(states.at(-1)!), { kind: "neg" });
  close();
  clock.advance(60_000);
  assert.equal(asked, 4);
});
