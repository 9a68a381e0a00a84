// The verbs `linkerd check`, `linkerd viz check` and `linkerd multicluster check`: which tables they run, and for whom.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Category } from "./check.ts";
import { report, runChecks, succeeded } from "./check.ts";
import { CheckContext } from "./checkcontext.ts";
import { CONTROL_CHECKS, DATA_CHECKS, PRE_CHECKS } from "./checks.ts";
import { installedExtensions } from "./clusterchecks.ts";
import type { Call } from "./command.ts";
import { command } from "./command.ts";
import { checkExtensions, checkWords } from "./extensionchecks.ts";
import { duration, oneOf, optional, toggle } from "./flag.ts";
import { KUBE_CHECKS } from "./kubechecks.ts";
import { KUBERNETES } from "./kubeprechecks.ts";
import { multiclusterChecks } from "./mcchecks.ts";
import { isCluster } from "./mesh.ts";
import { clientVersion, VERSION_OVERRIDE } from "./version.ts";

/** The extensions whose checks are among ours. */
const OURS = ["viz", "multicluster"];

const SHARED = {
  proxy: toggle("Check the data plane too"),
  namespace: optional("NAME", "With --proxy, of this namespace only (default: of all)", {
    short: "n",
    offers: "namespace",
  }),
  output: oneOf(["table", "json", "short"], "Format of the output", { short: "o" }),
  wait: duration("5m", "Longest wait for what may still become right"),
};

const CONTROL = {
  ...SHARED,
  pre: toggle("Check whether this machine can have a mesh"),
  crds: toggle("Check the custom resources of a cluster"),
  linkerdCniEnabled: toggle("With --pre, check the CNI plugin of a cluster"),
  expectedVersion: optional("VERSION", "Version that is expected of everything"),
  cliVersionOverride: optional("VERSION", "Version to take for the command line's", {
    hidden: true,
  }),
};

export const check = command({
  name: "check",
  summary: "Check whether everything is as it should be",
  examples: [
    ["Before the start", "check --pre"],
    ["The control plane", "check"],
    ["The proxies of a namespace", "check --proxy -n emojivoto"],
    ["Only what is wrong", "check -o short"],
    ["A file of Linkerd 1", "check linkerd.yaml"],
  ],
  usage: "[FILE]",
  args: [0, 1],
  offers: "file",
  flags: CONTROL,
  run: async (call) => {
    const { flags } = call;
    const [file] = call.args;
    if (file !== undefined) {
      const { checkFile } = await import("./routerfile.ts");
      return checkFile(file, flags.output, call.terminal);
    }
    if (flags.pre && (flags.proxy || flags.crds)) {
      throw new Fault("bad-input", "--pre excludes --proxy and --crds");
    }
    if (flags.linkerdCniEnabled && !flags.pre)
      throw new Fault("bad-input", "--linkerd-cni-enabled goes with --pre");
    const version = flags.cliVersionOverride;
    const env = { ...call.terminal.env, ...(version && { [VERSION_OVERRIDE]: version }) };
    if (await isCluster(call.globals, env)) {
      const pre = flags.linkerdCniEnabled ? "preCni" : "pre";
      const table = flags.pre ? pre : flags.crds ? "crds" : flags.proxy ? "data" : "control";
      const isRunning = !flags.pre && !flags.crds;
      return run(KUBE_CHECKS[table], call, env, flags.expectedVersion, isRunning);
    }
    if (flags.crds)
      throw new Fault(
        "bad-input",
        "a local mesh has no custom resources to install: --crds is for clusters",
      );
    const categories = flags.pre ? PRE_CHECKS : flags.proxy ? DATA_CHECKS : CONTROL_CHECKS;
    return run(categories, call, env, flags.expectedVersion);
  },
});

export const vizCheck = command({
  name: "check",
  summary: "Check the viz extension",
  flags: SHARED,
  run: async (call) => {
    const { globals, flags, terminal } = call;
    if (await isCluster(globals, terminal.env))
      return run(KUBE_CHECKS[flags.proxy ? "vizData" : "viz"], call, terminal.env);
    const wanted = [
      "linkerd-existence",
      "linkerd-viz",
      ...(flags.proxy ? ["linkerd-data-plane"] : []),
    ];
    const categories = DATA_CHECKS.filter(({ id }) => wanted.includes(id));
    return run(categories, call, terminal.env);
  },
});

export const mcCheck = command({
  name: "check",
  summary: "Check what is linked, and whether it is reached",
  flags: {
    output: SHARED.output,
    wait: SHARED.wait,
    timeout: duration("10s", "Longest wait for an answer of another cluster"),
  },
  run: async ({ flags, globals, terminal }) => {
    const whole = { ...flags, proxy: false, namespace: undefined };
    const categories = [...KUBERNETES, multiclusterChecks(flags.timeout)];
    return run(categories, { flags: whole, globals, terminal }, terminal.env);
  },
});

async function run(
  categories: readonly Category<CheckContext>[],
  { flags, globals, terminal }: Pick<Call<typeof SHARED>, "flags" | "globals" | "terminal">,
  env: NodeJS.ProcessEnv,
  expectedVersion?: string,
  withExtensions = false,
): Promise<number> {
  const page = report(flags.output, terminal);
  const context = new CheckContext(globals, env, flags.namespace ?? "", expectedVersion);
  const hints = hintBase(clientVersion(env));
  const results = await runChecks(categories, context, {
    ...page.options,
    waitMs: flags.wait,
    hintBase: hints,
    clock: systemClock,
    stopped: () => terminal.scope.closed,
  });
  if (withExtensions) {
    // Where the API server does not answer, a row says so already.
    const installed = await installedExtensions(context).catch(() => new Map<string, never>());
    const foreign = [...installed.keys()].filter((name) => !OURS.includes(name));
    const found = checkExtensions(foreign, checkWords(globals, flags), hints, terminal);
    for await (const result of found) {
      results.push(result);
      page.options.onResult(result);
      page.options.onWait("", "Extensions check themselves");
    }
  }
  page.close(results);
  return succeeded(results) ? 0 : 1;
}

/** Where hints are, for a version. */
export function hintBase(version: string): string {
  const stable = /^stable-(\d+\.\d+)\./.exec(version)?.[1];
  return `https://linkerd.io/${stable ?? "2"}/checks/#`;
}
