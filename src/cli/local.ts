// The verbs of `linkerd local`: a mesh on this machine, from the manifests that a cluster would get.

import { Fault } from "../base/fault.ts";
import type { Kind } from "../platform/kinds.ts";
import { KINDS as PLATFORM_KINDS } from "../platform/kinds.ts";
import { readManifests } from "../platform/manifests.ts";
import type { Mesh } from "../platform/mesh.ts";
import { parseResource } from "../viz/kinds.ts";
import { namedIn, podsOf, watchWorld } from "../viz/world.ts";
import { command } from "./command.ts";
import { printJson } from "./format.ts";
import { count, oneOf, optional, repeated, text, toggle } from "./flag.ts";
import { connectLocal, file } from "./localaccess.ts";
import { down, up } from "./localup.ts";
import { printStatus } from "./localstatus.ts";
import { untilStopped } from "./terminal.ts";

const namespace = text("NAME", "default", "Namespace", { short: "n", offers: "namespace" });

const status = command({
  name: "status",
  summary: "Show the mesh, its pods and what is published",
  flags: { output: oneOf(["table", "json"], "Format of the output", { short: "o" }) },
  run: async ({ flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    if (flags.output === "table") terminal.print(await printStatus(mesh, terminal));
    else terminal.print(printJson(await mesh.status.next()));
  },
});

const logs = command({
  name: "logs",
  summary: "Print what a container prints",
  usage: "POD|TYPE/NAME",
  examples: [
    ["A workload", "local logs deploy/web -n emojivoto -f"],
    ["Its sidecar", "local logs deploy/web -n emojivoto -c linkerd-proxy"],
    ["The control plane", "local logs linkerd-controller -n linkerd"],
  ],
  args: [1, 1],
  offers: "resource",
  flags: {
    namespace,
    container: optional(
      "NAME",
      "Container; the first one unless given, linkerd-proxy for the sidecar",
      { short: "c" },
    ),
    follow: toggle("Go on until Ctrl-C", { short: "f" }),
    tail: count("N", 100, "Lines of the past"),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    const pod = `${flags.namespace}/${await podNamed(mesh, flags.namespace, args[0]!)}`;
    const container = flags.container === undefined ? {} : { container: flags.container };
    const query = { pod, ...container, tail: flags.tail };
    const print = ({ line }: { line: string }): void => terminal.print(`${line}\n`);
    if (!flags.follow) {
      (await mesh.recent(query)).forEach(print);
      return;
    }
    terminal.scope.defer(await mesh.logs(query, print));
    await untilStopped(terminal);
  },
});

async function podNamed(mesh: Mesh, namespace: string, word: string): Promise<string> {
  if (!word.includes("/")) return word;
  const thing = namedIn(namespace, parseResource(word));
  const [pod] = podsOf(await watchWorld(mesh.resources).next(), thing);
  if (!pod) throw new Fault("not-found", `there is no pod of ${word} in ${namespace}`);
  return pod.name;
}

const run = command({
  name: "run",
  summary: "Add a command to the mesh, as a workload with a service",
  usage: "-- COMMAND…",
  examples: [
    [
      "A cache that others call cache.default:6379",
      "local run --service cache --port 6379 -- redis-server --port 6379",
    ],
  ],
  args: [1, 1000],
  flags: {
    namespace,
    service: optional("NAME", "Name of the workload and its service"),
    port: count("PORT", 0, "Port that the command listens on; it also gets it as PORT"),
    replicas: count("N", 1, "How many of it"),
    env: repeated("NAME=VALUE", "Environment variable; may be repeated"),
  },
  run: async ({ args, flags, globals, terminal }) => {
    if (flags.service === undefined || flags.port === 0) {
      throw new Fault("bad-input", "name the service and its port: --service NAME --port PORT");
    }
    const mesh = await connectLocal(globals, terminal.env);
    const lines = await mesh.run({
      name: flags.service,
      namespace: flags.namespace,
      port: flags.port,
      argv: args,
      cwd: process.cwd(),
      replicas: flags.replicas,
      env: Object.fromEntries(flags.env.map(parseEnv)),
    });
    terminal.print(`${lines.join("\n")}\n`);
  },
});

function parseEnv(pair: string): [name: string, value: string] {
  const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
  if (name === undefined) throw new Fault("bad-input", `--env: "${pair}" is not NAME=VALUE`);
  return [name, value!];
}

const apply = command({
  name: "apply",
  summary: "Store the resources of manifests in the mesh",
  usage: "-f FILE",
  examples: [["A policy", "local apply -f deny-all.yaml"]],
  flags: { file },
  run: async ({ flags, globals, terminal }) => {
    if (flags.file.length === 0)
      throw new Fault("bad-input", "name manifests with -f FILE or -f FOLDER");
    const { resources, skipped } = await readManifests(flags.file);
    const mesh = await connectLocal(globals, terminal.env);
    terminal.print(`${(await mesh.apply(resources)).join("\n")}\n`);
    if (skipped.length > 0)
      terminal.note(`left aside, since the local mesh has no use for them: ${skipped.join(", ")}`);
  },
});

const scale = command({
  name: "scale",
  summary: "Change how many pods a workload has",
  usage: "TYPE/NAME --replicas N",
  args: [1, 1],
  offers: "resource",
  flags: { namespace, replicas: optional("N", "How many") },
  run: async ({ args, flags, globals, terminal }) => {
    if (!/^\d+$/.test(flags.replicas ?? ""))
      throw new Fault("bad-input", "say how many pods it shall have: --replicas N");
    const mesh = await connectLocal(globals, terminal.env);
    const [kind, key] = workloadNamed(args[0]!, flags.namespace);
    await mesh.scale(kind, key, Number(flags.replicas));
    terminal.print(`${args[0]} scaled\n`);
  },
});

const restart = command({
  name: "restart",
  summary: "Replace the pods of a workload one by one",
  usage: "TYPE/NAME",
  args: [1, 1],
  offers: "resource",
  flags: { namespace },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await connectLocal(globals, terminal.env);
    await mesh.restart(...workloadNamed(args[0]!, flags.namespace));
    terminal.print(`${args[0]} restarted\n`);
  },
});

function workloadNamed(word: string, ns: string): [Kind, string] {
  const { kind, name } = parseResource(word.includes("/") ? word : `deploy/${word}`);
  const found = (Object.keys(PLATFORM_KINDS) as Kind[]).find((each) => each.toLowerCase() === kind);
  if (!found) throw new Fault("bad-input", `the local mesh runs no ${kind}`);
  return [found, `${ns}/${name}`];
}

export const local = command({
  name: "local",
  summary: "A mesh on this machine, without Kubernetes",
  commands: [up, down, status, logs, run, apply, scale, restart],
});
