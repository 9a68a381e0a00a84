// A command line read, refused, explained and completed, all from one small table.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../base/fault.ts";
import { kindOf, KINDS, parseResources } from "../viz/kinds.ts";
import { command, suggestions } from "./command.ts";
import { complete } from "./completion.ts";
import { count, duration, list, oneOf, optional, toggle } from "./flag.ts";
import { parseDuration, printDuration } from "./format.ts";
import { printHelp } from "./help.ts";
import { parse, UnknownCommand } from "./parse.ts";
import { root } from "./root.ts";
import { palette } from "./terminal.ts";

const stat = command({
  name: "stat",
  aliases: ["st"],
  summary: "Show",
  usage: "RESOURCE",
  args: [1, 3],
  offers: "resource",
  examples: [["All", "viz stat deploy"]],
  flags: {
    namespace: optional("NAME", "Namespace", { short: "n", offers: "namespace" }),
    allNamespaces: toggle("All", { short: "A" }),
    timeWindow: duration("1m", "Window", { short: "t" }),
    output: oneOf(["table", "json"], "Format", { short: "o" }),
    set: list("K=V", "Values"),
    to: optional("RESOURCE", "Partner", { offers: "resource" }),
    watch: toggle("Go on", { initial: true }),
    maxRps: count("N", 100, "Most"),
  },
  run: async () => {},
});
const inject = command({
  name: "inject",
  summary: "Inject",
  args: [1, 1],
  flags: { output: oneOf(["yaml", "json"], "Format", { short: "o" }) },
  run: async () => {},
});
const tree = command({
  name: "linkerd",
  summary: "Mesh",
  commands: [command({ name: "viz", summary: "Metrics", commands: [stat] }), inject],
});

const read = (line: string) => parse(tree, line.split(" ").filter(Boolean));

test("flags stand anywhere, in every spelling that pflag takes", () => {
  for (const line of [
    "viz stat deploy -n test -A -t 30s -ojson",
    "-n test viz stat deploy --all-namespaces --time-window=30s --output json",
    "viz -At30s -n=test stat --output=json deploy",
    "viz st --all-namespaces=true -ntest -t=30s -o json -- deploy",
  ]) {
    const { path, flags, args } = read(line);
    assert.equal(path, "linkerd viz stat", line);
    const { namespace, allNamespaces, timeWindow, output } = flags;
    assert.deepEqual(
      { namespace, allNamespaces, timeWindow, output },
      { namespace: "test", allNamespaces: true, timeWindow: 30_000, output: "json" },
      line,
    );
    assert.deepEqual(args, ["deploy"], line);
  }
});

test("defaults, lists, and choices of the command that was meant", () => {
  const { flags, globals } = read("viz stat deploy --set a=1,b=2 --set c=3");
  assert.deepEqual(flags["set"], ["a=1", "b=2", "c=3"]);
  assert.equal(flags["maxRps"], 100);
  assert.equal(globals.linkerdNamespace, "linkerd");
  assert.equal(read("-o yaml inject -").flags["output"], "yaml");
  assert.deepEqual(read("inject -").args, ["-"]);
});

test("what is wrong is said in one sentence, with what would be right", () => {
  const says = (line: string, pattern: RegExp): void => {
    assert.throws(
      () => read(line),
      (error) => error instanceof Fault && pattern.test(error.message),
      line,
    );
  };
  says("viz stat", /an argument is missing; usage: linkerd viz stat \[flags\] RESOURCE/);
  says("viz stat a b c d", /"d" is one argument too many/);
  says("viz sta deploy", /no command "sta" in "linkerd viz"\. Did you mean "stat"\?/);
  says("viz stat deploy --outptu json", /no flag --outptu/);
  says("viz stat deploy -o toml", /--output: "toml" is not one of table, json/);
  says("viz stat deploy -t soon", /--time-window: "soon" is not a duration/);
  says("viz stat deploy --max-rps many", /--max-rps: "many" is not a number/);
  says("viz stat deploy -n", /-n needs a value/);
  says("viz stat deploy -L under_score", /under_score is not a valid namespace/);
});

test("an unknown verb at the top may be an extension, and keeps its words", () => {
  assert.throws(
    () => read("buoyant check -n x --json"),
    (error) =>
      error instanceof UnknownCommand &&
      error.word === "buoyant" &&
      error.rest.join(" ") === "check -n x --json",
  );
  assert.deepEqual(suggestions(tree, "injcet"), ["inject"]);
  assert.deepEqual(suggestions(root, "edgse"), ["viz edges"]);
  assert.deepEqual(suggestions(root, "foo"), []);
});

test("help follows from the table", () => {
  const page = printHelp(stat, "linkerd viz stat", palette(false));
  assert.match(page, /Usage:\n {2}linkerd viz stat \[flags\] RESOURCE\n/);
  assert.match(page, /# All\n {2}linkerd viz stat deploy\n/);
  assert.match(page, /-t, --time-window TIME +Window \(default 1m\)/);
  assert.match(page, /--max-rps N +Most \(default 100\)/);
  assert.match(page, /--watch +Go on \(default true\)/);
  assert.match(page, /--all-namespaces +All\n/);
});

test("completion follows from the table and from the mesh", async () => {
  const names = {
    contexts: () => ["home", "work"],
    resources: async (kind: string) =>
      ({ namespace: ["shop", "store"], deployment: ["web", "worker"] })[kind] ?? [],
  };
  const offered = (line: string) => complete(tree, line.split(" "), names);
  assert.deepEqual(await offered("vi"), ["viz"]);
  assert.deepEqual(await offered("viz "), ["stat"]);
  assert.deepEqual(await offered("viz stat --o"), ["--output"]);
  assert.deepEqual(await offered("viz stat -o "), ["json", "table"]);
  assert.deepEqual(await offered("viz stat -n s"), ["shop", "store"]);
  assert.deepEqual(await offered("viz stat --namespace=st"), ["--namespace=store"]);
  assert.deepEqual(await offered("viz stat deploy --to deploy/wo"), ["deploy/worker"]);
  assert.deepEqual(await offered("viz stat --context h"), ["home"]);
  assert.deepEqual(await offered("help vi"), ["viz"]);
  assert.deepEqual(await offered("viz stat dep"), ["deploy"]);
  assert.deepEqual(await offered("viz stat deploy/we"), ["deploy/web"]);
  assert.deepEqual(await offered("viz stat -n shop deploy w"), ["web", "worker"]);
});

test("resources are named as in kubectl", () => {
  const named = (...words: string[]): string =>
    parseResources(words)
      .map(({ kind, name }) => `${kind}/${name}`)
      .join(" ");
  assert.equal(named("deployments"), "deployment/");
  assert.equal(named("DEPLOY/web", "po/web-1"), "deployment/web pod/web-1");
  assert.equal(named("sts", "a", "b"), "statefulset/a statefulset/b");
  assert.equal(named("deploy", "po"), "deployment/ pod/");
  assert.equal(named("all"), "all/");
  assert.throws(() => named(), /name a resource/);
  assert.throws(() => named("deploy/web", "emoji"), /mixes TYPE\/NAME with TYPE NAME/);
  assert.throws(() => named("deplyo"), /"deplyo" is no kind of resource/);
  assert.throws(() => named("all/x"), /takes no name/);
  for (const kind of KINDS) {
    for (const name of [kind.name, kind.short, kind.plural, ...kind.aliases]) {
      assert.equal(kindOf(name), kind, `"${name}" names one kind only`);
    }
  }
});

test("durations read back what they print", () => {
  for (const ms of [0, 1, 999, 1000, 61_000, 90_061_000, 300]) {
    assert.equal(parseDuration(printDuration(ms)), ms);
  }
  for (const bad of ["", "1", "m", "1x", "1m 2s", "-1s"]) {
    assert.throws(() => parseDuration(bad), Fault, bad);
  }
});
