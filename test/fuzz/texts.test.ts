// What people and programs write for the router, the mesh and a node, spoilt: whatever reads it takes it, or says where
// it is wrong, and never breaks or goes on for ever.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before } from "node:test";
import { systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/fault.ts";
import { log } from "../../src/base/log.ts";
import { constant } from "../../src/base/watch.ts";
import { answerCni } from "../../src/control/cni.ts";
import { chained, unchained } from "../../src/control/cniconf.ts";
import { bindName, lookupIn } from "../../src/name/bind.ts";
import { delegate, isSettled } from "../../src/name/delegate.ts";
import { type Dtab, parseDtab, printDtab } from "../../src/name/dtab.ts";
import { neg, parseTree, printTree } from "../../src/name/nametree.ts";
import { type Path, parsePath, printPath } from "../../src/name/path.ts";
import { kubeResources } from "../../src/platform/kube.ts";
import { KubeApi } from "../../src/platform/kubeapi.ts";
import { parseManifests } from "../../src/platform/manifests.ts";
import { readRouterConfig } from "../../src/router/yaml.ts";
import { printDiagnostic } from "../../src/router/yamlsource.ts";
import { fuzz } from "./fuzz.ts";
import { WORLD } from "./hostileworld.ts";
import { spoiltJson, spoiltLines } from "./mutate.ts";

const HOME = join(import.meta.dirname, "../..");
const texts = (...all: string[]): Buffer[] => all.map((text) => Buffer.from(text));
/** Looked up in no time, or not at all: a name takes a thousand lookups at most, each of a tree of a few kilobytes. */
const MOST_MS = 5_000;

const paths = texts(
  "/a",
  "/",
  "/svc/a.b/c-d",
  "/$/inet/127.1/80",
  "/\\x2f/\\x00",
  "/#/io.l5d.fs/web",
);
fuzz("paths", paths, (input) => {
  const path = read(() => parsePath(input.toString()));
  if (path) assert.deepEqual(parsePath(printPath(path)), path);
});

const trees = texts(
  "/a | /b & 0.5 * /c",
  "(/a | ~) & !",
  "(".repeat(5_000),
  "2 * $ & 1e3 * (/a & /b)",
  "/a|/b|/c",
);
fuzz("name trees", trees, (input) => {
  const tree = read(() => parseTree(input.toString()));
  if (tree) assert.equal(printTree(parseTree(printTree(tree))), printTree(tree));
});

const dtabs = texts(
  "/svc => /#/io.l5d.fs ; /svc/* => /svc ;",
  "/a => /b | /c ; /b => /a & 0.2 * /d ; /c => ~ ; /d => /$/inet/127.1/80",
  "/a => /a/b & /a/c ; /a/*/c => /a | ! | $",
  "/0 => /1 | /1 ; /1 => /2 & /2 ; /2 => /0/x",
);
fuzz("dtabs: what is read prints to the same, and every name comes to an end", dtabs, (input) => {
  const dtab = read(() => parseDtab(input.toString()));
  if (dtab === undefined) return;
  assert.equal(printDtab(parseDtab(printDtab(dtab))), printDtab(dtab));
  for (const name of ["/a/b/c", "/svc/web", "/0"]) ends(dtab, parsePath(name));
});

const configs = [...globSync(join(HOME, "examples/router/*.yaml"))].map((file) =>
  readFileSync(file),
);
fuzz(
  "linkerd.yaml: it is read, or every mistake has its place",
  configs,
  (input) => {
    const text = input.toString();
    const lines = text.split("\n").length;
    const { config, diagnostics } = readRouterConfig(text, "linkerd.yaml", {
      entryKind: () => "file",
      warnsOfInert: true,
    });
    const errors = diagnostics.filter(({ severity }) => severity === "error");
    assert.equal(config === undefined, errors.length > 0);
    for (const each of diagnostics) {
      assert.ok(
        each.line >= 1 && each.line <= lines + 1 && each.column >= 1,
        printDiagnostic(each),
      );
      assert.match(printDiagnostic(each), /^linkerd\.yaml:\d+:\d+/);
    }
  },
  spoiltLines,
);

fuzz(
  "manifests: all is read, or every mistake has its place",
  texts(WORLD),
  (input) => void read(() => parseManifests([["mesh.yaml", input.toString()]])),
  spoiltLines,
);

const POD = {
  metadata: {
    name: "web-1",
    namespace: "ns",
    annotations: { "config.linkerd.io/opaque-ports": "3306" },
  },
  spec: { containers: [{ name: "linkerd-proxy", env: [] }, { name: "web" }], initContainers: [] },
};
const NETWORK = {
  cniVersion: "1.0.0",
  name: "cluster",
  prevResult: { ips: [] },
  linkerd: { proxy: {} },
};
const cniInputs = [JSON.stringify([NETWORK, POD]), JSON.stringify([{}, {}]), "null", "[]"];
fuzz(
  "CNI: every call is answered in JSON",
  texts(...cniInputs),
  async (input, random) => {
    const text = input.toString();
    const value = json(text);
    const [config, pod] = Array.isArray(value) ? (value as [unknown, never]) : [text, POD as never];
    const { answer, code } = await answerCni(
      typeof config === "string" ? config : JSON.stringify(config),
      {
        CNI_COMMAND: ["ADD", "DEL", "CHECK", "VERSION", text][random.below(5)],
        CNI_ARGS: random.below(4) === 0 ? text : "K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-1",
      },
      { fetchPod: async () => pod, redirect: async () => {} },
    );
    assert.ok(code === 0 || code === 1);
    assert.equal(typeof JSON.stringify(answer), "string");
    if (code === 1) assert.equal(typeof (answer as { msg?: unknown }).msg, "string");
  },
  spoiltJson,
);

const conflist = JSON.stringify({ cniVersion: "0.4.0", name: "n", plugins: [{ type: "bridge" }] });
fuzz(
  "a node's network: our plugin is in it once, and can be taken out",
  texts(conflist, '{"type":"bridge","name":"n"}', "null", "[]", '"x"', '{"plugins":[null]}'),
  (input) => {
    const once = read(() => chained(input.toString(), { linkerd: {} }));
    if (once === undefined) return;
    assert.equal(chained(once, { linkerd: {} }), once);
    assert.doesNotMatch(unchained(once), /linkerd-cni/);
  },
  spoiltJson,
);

// --- The API server's answers.

const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "web", namespace: "ns", resourceVersion: "7", uid: "u" },
  spec: {
    clusterIP: "10.96.0.1",
    ports: [{ port: 80, targetPort: "http" }],
    selector: { app: "web" },
  },
};
const LIST = { kind: "ServiceList", metadata: { resourceVersion: "5" }, items: [SERVICE] };
const EVENTS = [
  { type: "ADDED", object: SERVICE },
  { type: "MODIFIED", object: SERVICE },
  { type: "DELETED", object: SERVICE },
  { type: "BOOKMARK", object: { metadata: { resourceVersion: "9" } } },
  { type: "ERROR", object: { kind: "Status", code: 410, message: "too old" } },
];
const GOOD = { ...SERVICE, metadata: { ...SERVICE.metadata, name: "good" } };
/** What each who watches is told once, in place of what is right, by what it asks for. */
const scripts = new Map<string, { list?: string; watch?: string }>();
let api: KubeApi;
const apiServer = createServer((req, rsp) => {
  const asked = new URL(req.url!, "http://api");
  const script = scripts.get(asked.searchParams.get("fieldSelector")!)!;
  rsp.setHeader("content-type", "application/json");
  if (!asked.searchParams.has("watch")) {
    rsp.end(script.list ?? JSON.stringify({ ...LIST, items: [GOOD] }));
    delete script.list;
  } else if (script.watch === undefined) {
    rsp.write(`${JSON.stringify({ type: "ADDED", object: GOOD })}\n`);
  } else {
    rsp.end(script.watch);
    delete script.watch;
  }
});

before(async () => {
  log.filter = "off";
  await new Promise<void>((done) => apiServer.listen(0, "127.0.0.1", done));
  const { port } = apiServer.address() as AddressInfo;
  api = new KubeApi({
    server: `http://127.0.0.1:${port}`,
    asGroups: [],
    authorization: async () => undefined,
  } as never);
});
after(() => {
  api.close();
  apiServer.close().closeAllConnections();
});

let asked = 0;
fuzz(
  "the API server says anything: who watches it knows what is there as soon as it is in order",
  texts(JSON.stringify(LIST), ...EVENTS.map((event) => JSON.stringify(event))),
  async (input, random) => {
    const label = `n=${asked++}`;
    const text = input.toString();
    const good = EVENTS.slice(0, random.below(5)).map((each) => `${JSON.stringify(each)}\n`);
    scripts.set(label, {
      list: random.below(3) === 0 ? text : JSON.stringify(LIST),
      watch: good.join("") + text,
    });
    const clock = { ...systemClock, after: soon } as typeof systemClock;
    const services = kubeResources(api, { clock, fields: label } as never).watch("Service");
    const known = Promise.withResolvers<void>();
    const close = services.each((all) => all.has("ns/good") && known.resolve());
    await known.promise;
    close();
    scripts.delete(label);
  },
  spoiltJson,
);

/** Time is short here: a wait of seconds is one of milliseconds. */
function soon(ms: number, run: () => void): ReturnType<typeof systemClock.after> {
  return systemClock.after(Math.min(ms, 5), run);
}

/** The value, or undefined when it is refused with a Fault that is no bug. */
function read<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Fault && error.code !== "unexpected") return undefined;
    throw error;
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function ends(dtab: Dtab, name: Path): void {
  const began = performance.now();
  const namer = { prefix: [], namer: { bind: () => constant(neg) } };
  bindName(lookupIn(dtab, [namer]), name).observe(() => {})();
  let settled = false;
  delegate(dtab, [namer], name).observe((state) => {
    settled = state.kind === "ok" && isSettled(state.value);
  })();
  assert.ok(settled, `${printPath(name)} is never settled`);
  assert.ok(performance.now() - began < MOST_MS, `${printPath(name)} takes long`);
}
