// Delegations: the shapes that Linkerd's playground and APIs show, and what is said about them in words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Var } from "../base/watch.ts";
import { type Addr, address, boundAddr } from "./addr.ts";
import type { Mount, Name } from "./bind.ts";
import { builtins } from "./builtin.ts";
import { delegate, type Delegation, isSettled } from "./delegate.ts";
import { parseDtab } from "./dtab.ts";
import { outcome, printDelegation, stepsTo, winningSteps } from "./explain.ts";
import { leaf, type NameTree } from "./nametree.ts";
import { parsePath } from "./path.ts";
import { constTransformer, portTransformer, type Transformer } from "./transform.ts";

const network = {
  clock: new VirtualClock(),
  dns: { lookup: async () => [], srv: async () => [] },
};

const failing: Mount = {
  prefix: ["#", "error"],
  namer: {
    bind: (path) => {
      const answer = new Var<NameTree<Name>>();
      answer.fail(new Fault("unavailable", `error naming /#/error/${path.join("/")}`));
      return answer;
    },
  },
};

function delegation(dtab: string, name: string, transformers: Transformer[] = []): Delegation {
  let found: Delegation | undefined;
  const mounts = [failing, builtins(network)];
  delegate(parseDtab(dtab), mounts, parsePath(name), transformers).each((d) => (found = d))();
  assert.ok(found);
  return found;
}

const humbug = `/beh=>/#/error; /bah/humbug=>/$/inet/127.1/8080; /foo=>/bah | /beh | /$/fail; /foo=>/bar;
  /boo=>/foo; /meh=>/heh; /neg=>~`;

test("the published example, key by key", () => {
  const bah = { prefix: "/foo", dst: "/bah | /beh | /$/fail" };
  const addrs = [{ ip: "127.0.0.1", port: 8080, meta: {} }];
  const expected = {
    type: "delegate",
    path: "/boo/humbug",
    delegate: {
      type: "alt",
      path: "/foo/humbug",
      dentry: { prefix: "/boo", dst: "/foo" },
      alt: [
        { type: "neg", path: "/bar/humbug", dentry: { prefix: "/foo", dst: "/bar" } },
        {
          type: "delegate",
          path: "/bah/humbug",
          dentry: bah,
          delegate: {
            type: "leaf",
            path: "/$/inet/127.1/8080",
            dentry: { prefix: "/bah/humbug", dst: "/$/inet/127.1/8080" },
            bound: {
              addr: { type: "bound", addrs, meta: {} },
              id: "/$/inet/127.1/8080",
              path: "/",
            },
          },
        },
        {
          type: "delegate",
          path: "/beh/humbug",
          dentry: bah,
          delegate: {
            type: "exception",
            path: "/#/error/humbug",
            dentry: { prefix: "/beh", dst: "/#/error" },
            message: "error naming /#/error/humbug",
          },
        },
        { type: "fail", path: "/$/fail/humbug", dentry: bah },
      ],
    },
  };
  assert.equal(JSON.stringify(delegation(humbug, "/boo/humbug")), JSON.stringify(expected));
});

test("negative names, by rule and for want of one", () => {
  assert.deepEqual(delegation(humbug, "/meh"), {
    type: "delegate",
    path: "/meh",
    delegate: { type: "neg", path: "/heh", dentry: { prefix: "/meh", dst: "/heh" } },
  });
  assert.deepEqual(delegation(humbug, "/neg"), {
    type: "delegate",
    path: "/neg",
    delegate: { type: "neg", path: "~", dentry: { prefix: "/neg", dst: "~" } },
  });
  assert.deepEqual(delegation("", "/nobody"), { type: "neg", path: "/nobody" });
});

test("A2: a union shows its weights", () => {
  const dtab = "/meetup => /kschool; /kschool => /madrid/magallanes/1 * 0.9 & /madrid/sol/5 * 0.1";
  const node = delegation(dtab, "/meetup/goto");
  assert.ok(node.type === "delegate" && node.delegate.type === "union");
  assert.deepEqual(
    node.delegate.union.map(({ weight, tree }) => [weight, tree.path]),
    [
      [0.9, "/madrid/magallanes/1/goto"],
      [0.1, "/madrid/sol/5/goto"],
    ],
  );
});

test("A1: the trace of a name, step by step", () => {
  const dtab = "/meetup=>/kschool; /kschool=>/madrid/magallanes/1; /madrid=>/spain/madrid";
  const node = delegation(dtab, "/meetup/goto");
  assert.deepEqual(
    winningSteps(node).map((step) => step.path),
    [
      "/meetup/goto",
      "/kschool/goto",
      "/madrid/magallanes/1/goto",
      "/spain/madrid/magallanes/1/goto",
    ],
  );
  assert.equal(outcome(node), "neg");
});

test("a trace follows the branch that wins", () => {
  const node = delegation(humbug, "/boo/humbug");
  const way = ["/boo/humbug", "/foo/humbug", "/bah/humbug", "/$/inet/127.1/8080"];
  assert.deepEqual(
    winningSteps(node).map((step) => step.path),
    way,
  );
  assert.deepEqual(
    stepsTo(node, "/$/inet/127.1/8080")?.map((step) => step.path),
    way,
  );
  assert.equal(stepsTo(node, "/$/inet/elsewhere/1"), undefined);
  assert.equal(outcome(node), "bound");
});

test("a delegation in words names every branch and its reason", () => {
  assert.equal(
    printDelegation(delegation(humbug, "/boo/humbug")),
    `/boo/humbug
  /foo/humbug  (/boo => /foo)
    /bar/humbug  (/foo => /bar): no rule and no namer knows this name
    /bah/humbug  (/foo => /bah | /beh | /$/fail)
      /$/inet/127.1/8080  (/bah/humbug => /$/inet/127.1/8080): bound to 127.0.0.1:8080
    /beh/humbug  (/foo => /bah | /beh | /$/fail)
      /#/error/humbug  (/beh => /#/error): error naming /#/error/humbug
    /$/fail/humbug  (/foo => /bah | /beh | /$/fail): fails by rule`,
  );
});

test("a name that leads to itself ends, where alternatives go on", () => {
  const node = delegation("/a => /a", "/a");
  const steps = winningSteps(node);
  assert.equal(steps.length, 102);
  assert.equal(outcome(node), "exception");
  const doubling = Array.from({ length: 40 }, (_, i) => `/${i} => /${i + 1} | /${i + 1}`).join(";");
  assert.match(JSON.stringify(delegation(doubling, "/0")), /More than 1000 lookups/);
});

test("a union that multiplies is shown in part", () => {
  const union = `/a => ${Array(30).fill("/a").join(" & ")}`;
  const text = JSON.stringify(delegation(union, "/a"));
  const nodes = text.match(/"type":/g)!.length;
  assert.ok(nodes > 30 && nodes < 3_000, `${nodes} nodes`);
  // Of the name's own alternatives as many stand there as there are lookups.
  const wide = `/a => ${Array.from({ length: 1_500 }, (_, i) => `/x${i}`).join(" | ")}`;
  const known = JSON.stringify(delegation(wide, "/a")).match(/"type":"neg"/g)!.length;
  assert.ok(known > 900, `${known} alternatives`);
});

test("a rewriting name is a step of its own", () => {
  const dtab = "/host => /$/inet/127.1/80; /svc => /$/io.buoyant.http.domainToPathPfx/host";
  assert.deepEqual(
    winningSteps(delegation(dtab, "/svc/a.b")).map((step) => step.path),
    [
      "/svc/a.b",
      "/$/io.buoyant.http.domainToPathPfx/host/a.b",
      "/host/b/a",
      "/$/inet/127.1/80/b/a",
    ],
  );
});

test("what is not known yet is pending, and settles", () => {
  const addr = new Var<Addr>();
  const tree = new Var<NameTree<Name>>();
  const mount: Mount = { prefix: ["#", "slow"], namer: { bind: () => tree } };
  let node: Delegation | undefined;
  const close = delegate(
    parseDtab("/svc => /#/slow | /$/inet/127.1/1"),
    [mount, builtins(network)],
    ["svc"],
  ).each((d) => (node = d));
  assert.equal(isSettled(node!), false);
  assert.equal(outcome(node!), "pending");
  tree.set(leaf({ id: ["#", "slow"], residual: [], addr }));
  assert.equal(isSettled(node!), false);
  addr.set(boundAddr([address("10.0.0.1", 80, 2, { nodeName: "n1" })], { authority: "web" }));
  assert.equal(isSettled(node!), true);
  assert.deepEqual(
    node!.type === "alt" && node!.alt[0]!.type === "leaf" && node!.alt[0]!.bound.addr,
    {
      type: "bound",
      addrs: [{ ip: "10.0.0.1", port: 80, meta: { nodeName: "n1", endpoint_addr_weight: 2 } }],
      meta: { authority: "web" },
    },
  );
  close();
  assert.equal(addr.observed || tree.observed, false);
});

test("transformers show what they made of a leaf", () => {
  const node = delegation("/svc => /$/inet/127.1/80", "/svc", [
    portTransformer(["%", "io.l5d.port", "4140"], 4140),
  ]);
  const addrs = (port: number) => ({
    type: "bound",
    addrs: [{ ip: "127.0.0.1", port, meta: {} }],
    meta: {},
  });
  assert.deepEqual(node.type === "delegate" && node.delegate, {
    type: "transformation",
    path: "/$/inet/127.1/80",
    name: "io.l5d.port",
    bound: { addr: addrs(80), id: "/$/inet/127.1/80", path: "/" },
    tree: {
      type: "leaf",
      path: "/%/io.l5d.port/4140/$/inet/127.1/80",
      dentry: { prefix: "/svc", dst: "/$/inet/127.1/80" },
      bound: { addr: addrs(4140), id: "/%/io.l5d.port/4140/$/inet/127.1/80", path: "/" },
    },
  });
  const always = constTransformer([], parsePath("/$/inet/127.1/9"), (path) =>
    builtins(network).namer.bind(path.slice(1)),
  );
  const replaced = delegation("", "/nobody", [always]);
  assert.equal(outcome(replaced), "bound");
});
