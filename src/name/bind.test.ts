// Binding: worked examples of Linkerd 1, and what alternation and union do over time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { seededRandom } from "../base/random.ts";
import { Fault } from "../base/fault.ts";
import { constant, known, type State, Var, type Watch } from "../base/watch.ts";
import { absent } from "./addr.ts";
import { bindName, type Bound, lookupIn, maxLookups, type Mount, type Name } from "./bind.ts";
import { builtins } from "./builtin.ts";
import { parseDtab } from "./dtab.ts";
import { empty, fail, leaf, type NameTree, neg, pickLeaf, printTree } from "./nametree.ts";
import { parsePath, printPath } from "./path.ts";
import { rewriteNamer } from "./rewrite.ts";

const network = {
  clock: new VirtualClock(),
  dns: { lookup: async () => ["192.0.2.1"], srv: async () => [] },
};

/** A namer that serves every name under `prefix` and keeps the list of what it was asked. */
function serves(prefix: string, asked: string[] = []): Mount {
  const id = parsePath(prefix);
  return {
    prefix: id,
    namer: {
      bind: ([name, ...residual]) => {
        asked.push(printPath([...id, name!]));
        return constant(leaf({ id: [...id, name!], residual, addr: constant(absent) }));
      },
    },
  };
}

/** A namer that answers with whatever the test says. */
function says(prefix: string, tree: Watch<NameTree<Name>>): Mount {
  return { prefix: parsePath(prefix), namer: { bind: () => tree } };
}

const boundTo = (name: string): Bound => ({
  id: parsePath(name),
  residual: [],
  addr: constant(absent),
});

const show = (bound: Bound): string =>
  printPath(bound.id) + (bound.residual.length > 0 ? ` + ${printPath(bound.residual)}` : "");

/** Observes a binding; `now()` is its state in words. */
function follow(dtab: string, name: string, mounts: readonly Mount[] = []) {
  const watch = bindName(
    lookupIn(parseDtab(dtab), [...mounts, builtins(network)]),
    parsePath(name),
  );
  let state: State<NameTree<Bound>> = { kind: "pending" };
  const close = watch.observe((s) => (state = s));
  const now = (): string => {
    const tree = known(state);
    if (tree) return printTree(tree, show);
    return state.kind === "failed" ? state.fault.message : state.kind;
  };
  return { now, close, watch };
}

test("worked examples", () => {
  const k8s = serves("/#/io.l5d.k8s/default/http");
  const fs = serves("/#/io.l5d.fs");
  const cases: [dtab: string, name: string, bound: string, mounts?: Mount[]][] = [
    // A1: no namer serves /spain.
    [
      "/meetup=>/kschool; /kschool=>/madrid/magallanes/1; /madrid=>/spain/madrid",
      "/meetup/goto",
      "~",
    ],
    // A3: a leaf of `/$/inet`, its id and its residual.
    ["/svc/local => /$/inet/127.0.0.1/8080", "/svc/local", "/$/inet/127.0.0.1/8080"],
    ["/svc => /$/inet/h/80", "/svc/rest", "/$/inet/h/80 + /rest"],
    // A4, B2.
    ["/svc => /#/io.l5d.fs", "/svc/web", "/#/io.l5d.fs/web", [fs]],
    ["/svc => /#/io.l5d.fs/nginx;", "/svc/any.host", "/#/io.l5d.fs/nginx + /any.host", [fs]],
    // B1.
    ["/svc/* => /$/inet/python/8080;", "/svc/anything", "/$/inet/python/8080"],
    // The last rule comes first, whether it is longer or not.
    ["/svc=>/#/io.l5d.fs; /svc/web=>/$/inet/127.1/80", "/svc/web", "/$/inet/127.1/80", [fs]],
    ["/svc/web=>/$/inet/127.1/80; /svc=>/#/io.l5d.fs", "/svc/web", "/#/io.l5d.fs/web", [fs]],
    [
      "/host=>/#/io.l5d.k8s/default/http; /svc=>/$/io.buoyant.http.domainToPathPfx/host",
      "/svc/world.v2",
      "/#/io.l5d.k8s/default/http/v2 + /world",
      [k8s],
    ],
    // A rule whose destination is negative hides the namers, but not the rules before it.
    ["/#/io.l5d.fs => ~", "/#/io.l5d.fs/web", "~", [fs]],
    ["/svc=>/$/inet/127.1/80; /svc=>~", "/svc", "/$/inet/127.1/80"],
    ["/svc=>/$/inet/127.1/80; /svc=>!", "/svc", "!"],
    ["/svc=>/$/inet/127.1/80; /svc=>/$/fail", "/svc", "!"],
    ["/svc=>/$/inet/127.1/80; /svc=>/$/nil", "/svc", "$"],
    ["/svc=>/$/inet/127.1/80; /svc=>/nothing", "/svc", "/$/inet/127.1/80"],
    // Unions: branches that are negative or fail are dropped, one with no hosts counts.
    ["/a => 0.9 * /$/inet/a/1 & 0.1 * /$/inet/b/1", "/a", "0.90*/$/inet/a/1 & 0.10*/$/inet/b/1"],
    ["/a => 0.9 * /$/inet/a/1 & 0.1 * ~ & !", "/a", "/$/inet/a/1"],
    ["/a => /$/inet/a/1 & $", "/a", "/$/inet/a/1 & $"],
    ["/a => /x & /y | /$/inet/a/1", "/a", "/$/inet/a/1"],
    [
      "/a => (/$/inet/a/1 | /b) & 3 * (/nope | /b); /b => /$/inet/b/1",
      "/a",
      "/$/inet/a/1 & 3.00*/$/inet/b/1",
    ],
  ];
  for (const [dtab, name, bound, mounts] of cases) {
    const { now, close } = follow(dtab, name, mounts);
    assert.equal(now(), bound, `${name} under ${dtab}`);
    close();
  }
});

test("A6: the namer is asked for the name that the rules lead to", () => {
  const asked: string[] = [];
  follow("/env => /#/io.l5d.serversets/discovery; /svc => /env/prod", "/svc/users", [
    serves("/#/io.l5d.serversets", asked),
  ]).close();
  assert.deepEqual(asked, ["/#/io.l5d.serversets/discovery"]);
});

test("C2: the dtab of a service mesh on Kubernetes, as published", () => {
  const dtab = `
    /ph => /$/io.buoyant.rinet ; /svc => /ph/443 ; /svc/169.254.169.254 => /ph/80/169.254.169.254 ;
    /svc => /$/io.buoyant.porthostPfx/ph ; /k8s => /#/k8sIncoming ; /portNsSvc => /#/portNsSvcToK8s ;
    /host => /$/io.buoyant.porthostPfx/portNsSvc ; /host => /portNsSvc/http/default ;
    /host => /portNsSvc/http ; /svc => /$/io.buoyant.hostportPfx/legacy ;
    /svc => /$/io.buoyant.http.domainToPathPfx/host`;
  const services = ["default/http/ledger", "books/http/ledger", "books/admin/ledger"];
  const k8s: Mount = {
    prefix: ["#", "k8sIncoming"],
    namer: {
      bind: ([ns, port, svc, ...residual]) => {
        const known = services.includes(`${ns}/${port}/${svc}`);
        const id = ["#", "k8sIncoming", ns!, port!, svc!];
        return constant<NameTree<Name>>(
          known ? leaf({ id, residual, addr: constant(absent) }) : neg,
        );
      },
    },
  };
  const rewrite: Mount = {
    prefix: ["#", "portNsSvcToK8s"],
    namer: rewriteNamer("/{port}/{ns}/{svc}", "/k8s/{ns}/{port}/{svc}"),
  };
  const cases: [name: string, bound: string][] = [
    ["/svc/ledger", "/#/k8sIncoming/default/http/ledger"],
    ["/svc/ledger.default", "/#/k8sIncoming/default/http/ledger"],
    ["/svc/ledger.books", "/#/k8sIncoming/books/http/ledger"],
    ["/svc/example.com", "/$/io.buoyant.rinet/443/example.com"],
    ["/svc/example.com:8080", "/$/io.buoyant.rinet/8080/example.com"],
    ["/svc/169.254.169.254", "/$/io.buoyant.rinet/80/169.254.169.254"],
  ];
  for (const [name, bound] of cases) {
    const { now, close } = follow(dtab, name, [rewrite, k8s]);
    assert.equal(now().split(" + ")[0], bound, name);
    close();
  }
});

test("a name that leads to itself ends after 100 steps", () => {
  const endless = "Max recursion level: 100 reached in Namer lookup";
  for (const dtab of ["/a => /a", "/a => /b; /b => /a", "/a => /a/x | /$/inet/h/1"]) {
    const { now, close } = follow(dtab, "/a");
    assert.equal(now(), endless);
    close();
  }
  // 100 steps are allowed.
  const chain = Array.from({ length: 99 }, (_, i) => `/${i} => /${i + 1}`).join(";");
  assert.equal(follow(`${chain}; /99 => /$/inet/h/1`, "/0").now(), "/$/inet/h/1");
});

test("a dtab that multiplies is stopped", () => {
  const rules = Array.from({ length: 40 }, (_, i) => `/${i} => /${i + 1} | /${i + 1}`).join(";");
  const { now, close } = follow(rules, "/0");
  assert.equal(now(), "More than 1000 lookups for /0");
  close();
  const wide = Array.from({ length: 900 }, () => "/svc => /nothing").join(";");
  assert.equal(follow(`/svc => /$/inet/h/1; ${wide}`, "/svc").now(), "/$/inet/h/1");
});

test("a union that multiplies is stopped before its steps are made", () => {
  for (const branches of [10, 100, 999, 2_000]) {
    const dtab = parseDtab(`/a => ${Array(branches).fill("/a").join(" & ")}`);
    const lookup = lookupIn(dtab, []);
    let lookups = 0;
    const watch = bindName(
      (path) => {
        lookups += 1;
        return lookup(path);
      },
      ["a"],
    );
    const failures: string[] = [];
    const close = watch.observe((s) => failures.push(s.kind === "failed" ? s.fault.message : ""));
    assert.deepEqual(failures, ["More than 1000 lookups for /a"]);
    assert.ok(
      lookups <= maxLookups / branches + 2,
      `${lookups} lookups of ${branches} leaves each`,
    );
    close();
  }
});

test("a configured namer comes before the built-in ones, and its no falls through to the next", () => {
  const tree = new Var<NameTree<Name>>(neg);
  const { now, close } = follow("", "/$/inet/127.1/80", [says("/$", tree)]);
  assert.equal(now(), "/$/inet/127.1/80");
  tree.set(leaf(boundTo("/#/mine")));
  assert.equal(now(), "/#/mine");
  close();
});

test("an unknown built-in is an error when it looks like a class, and negative when it does not", () => {
  assert.equal(
    follow("", "/$/io.acme.magic/x").now(),
    "Unknown namer: io.acme.magic for path: /$/io.acme.magic/x",
  );
  assert.equal(follow("", "/$/whatever/x").now(), "~");
});

test("an alternation moves with its names, and looks at a later one only when the earlier are negative", () => {
  const asked: string[] = [];
  const first = new Var<NameTree<Name>>(neg);
  const { now, close } = follow("/svc => /#/first | /#/second/web", "/svc", [
    says("/#/first", first),
    serves("/#/second", asked),
  ]);
  assert.equal(now(), "/#/second/web");
  first.set(leaf(boundTo("/#/first/web")));
  assert.equal(now(), "/#/first/web");
  first.set(fail);
  assert.equal(now(), "!");
  first.set(empty);
  assert.equal(now(), "$");
  assert.equal(asked.length, 1);
  first.set(neg);
  assert.equal(now(), "/#/second/web");
  close();
  assert.equal(first.observed, false);
});

test("an alternation waits for a namer that has not answered, and does not pass over its failure", () => {
  const first = new Var<NameTree<Name>>();
  const { now, close } = follow("/svc => /#/first | /$/inet/h/1", "/svc", [
    says("/#/first", first),
  ]);
  assert.equal(now(), "pending");
  first.fail(new Fault("unavailable", "no answer"));
  assert.equal(now(), "no answer");
  first.set(neg);
  assert.equal(now(), "/$/inet/h/1");
  close();
});

test("a namer that throws fails its name and nothing else", () => {
  const broken: Mount = {
    prefix: ["#", "broken"],
    namer: {
      bind: () => {
        throw new Error("a bug");
      },
    },
  };
  assert.equal(follow("/svc => /#/broken | /$/inet/h/1", "/svc", [broken]).now(), "a bug");
  assert.equal(follow("/svc => /#/broken & /$/inet/h/1", "/svc", [broken]).now(), "/$/inet/h/1");
});

test("a union ignores branches that are pending or failed while another is bound", () => {
  const [a, b] = [new Var<NameTree<Name>>(), new Var<NameTree<Name>>()];
  const { now, close } = follow("/svc => 1 * /#/a & 3 * /#/b", "/svc", [
    says("/#/a", a),
    says("/#/b", b),
  ]);
  assert.equal(now(), "pending");
  a.fail(new Fault("unavailable", "a is away"));
  assert.equal(now(), "pending");
  b.fail(new Fault("unavailable", "b is away"));
  assert.equal(now(), "a is away");
  b.set(leaf(boundTo("/#/b")));
  assert.equal(now(), "/#/b");
  a.set(leaf(boundTo("/#/a")));
  assert.equal(now(), "/#/a & 3.00*/#/b");
  a.fail(new Fault("unavailable", "a is away again"));
  assert.equal(now(), "/#/a & 3.00*/#/b", "what was known is kept");
  close();
});

test("A2: about nine of ten picks go to the branch of weight 0.9", () => {
  const dtab = `/meetup => /kschool; /kschool => /madrid/magallanes/1 * 0.9 & /madrid/sol/5 * 0.1;
    /madrid => /spain/madrid`;
  const { now, close, watch } = follow(dtab, "/meetup/goto", [serves("/spain")]);
  assert.equal(now(), "0.90*/spain/madrid + /magallanes/1/goto & 0.10*/spain/madrid + /sol/5/goto");
  const random = seededRandom(1);
  const picks = Array.from({ length: 10_000 }, () => pickLeaf(watch.value!, random)!.residual[0]);
  const share = picks.filter((place) => place === "magallanes").length / picks.length;
  assert.ok(Math.abs(share - 0.9) < 0.01, `${share}`);
  close();
});
