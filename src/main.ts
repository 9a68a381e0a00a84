// Picks a program by the first word. Programs are loaded only when they are meant: a sidecar must not pay for
// the command line.

import { Fault } from "./base/fault.ts";
import { isRouterCall } from "./router/routerwords.ts";

type Program = {
  /** Runs with the words after its name; resolves to the exit code. */
  readonly run: (words: readonly string[]) => Promise<number>;
  /** The exit code when it could not start because of what it was given. */
  readonly refused: number;
};

const PROGRAMS: Readonly<Record<string, Program>> = {
  /** A sidecar, configured by its environment as linkerd2-proxy is. */
  proxy: {
    refused: 64,
    run: async () => (await import("./proxy/program.ts")).proxyProgram(process.env),
  },
  /** A further thread of a sidecar, which starts it itself. */
  "proxy-thread": {
    refused: 64,
    run: async () => (await import("./proxy/thread.ts")).proxyThread(process.env),
  },
  /** A role of the control plane on Kubernetes; without a role, the control plane of a local mesh. */
  controller: {
    refused: 1,
    run: async (words) => {
      if (words.length === 0)
        return (await import("./control/localcontroller.ts")).runLocalController(process.env);
      return (await import("./control/kubecontroller.ts")).runController(words, process.env);
    },
  },
  /** Metrics, tap and the dashboard on Kubernetes. */
  "metrics-api": {
    refused: 1,
    run: async () => (await import("./viz/kubeviz.ts")).runKubeViz(process.env),
  },
  /** Mirrors the services of another cluster into this one. */
  "service-mirror": {
    refused: 1,
    run: async (words) => {
      const { runServiceMirror } = await import("./control/servicemirror.ts");
      return runServiceMirror(words, process.env);
    },
  },
  /** Does nothing until it is told to end, in a pod that is there for its proxy. */
  pause: {
    refused: 64,
    run: async () => (await import("./control/podprograms.ts")).runPause(),
  },
  /** Ends when the proxy of this pod is ready. */
  await: {
    refused: 64,
    run: async (words) => (await import("./control/podprograms.ts")).runAwait(words),
  },
  /** Ends with 0 if the CNI plugin has redirected this pod's connections. */
  "network-validator": {
    refused: 64,
    run: async (words) => (await import("./control/podprograms.ts")).runNetworkValidator(words),
  },
  /** The CNI plugin; `cni install` keeps it on a node, `cni repair` evicts pods that started without it. */
  cni: {
    refused: 1,
    run: async ([role]) => {
      if (role === "install")
        return (await import("./control/cniinstall.ts")).runCniInstall(process.env);
      if (role === "repair")
        return (await import("./control/cnirepair.ts")).runCniRepair(process.env);
      return (await import("./control/cni.ts")).runCniPlugin(process.env);
    },
  },
  /** Redirects a pod's connections to its sidecar, and ends. */
  "proxy-init": {
    refused: 1,
    run: async (words) => (await import("./control/proxyinit.ts")).runProxyInit(words),
  },
};

/** Linkerd 1's router: `linkerd FILE`, or `linkerd router FILE`. */
const ROUTER: Program = {
  refused: 1,
  run: async (words) =>
    (await import("./router/routerprogram.ts")).routerProgram(words, process.env),
};

/** Everything else is a command. */
const COMMANDS: Program = {
  refused: 1,
  run: async (words) => {
    const [{ cli }, { processTerminal }] = await Promise.all([
      import("./cli/cli.ts"),
      import("./cli/terminal.ts"),
    ]);
    return cli(words, processTerminal());
  },
};

function pick(words: readonly string[]): { program: Program; args: readonly string[] } {
  const [first = "", ...rest] = words;
  if (Object.hasOwn(PROGRAMS, first)) return { program: PROGRAMS[first]!, args: rest };
  // What follows is either a file, or a command about one.
  if (first === "router" && isRouterCall(rest)) return { program: ROUTER, args: rest };
  return { program: isRouterCall(words) ? ROUTER : COMMANDS, args: words };
}

async function main(words: readonly string[]): Promise<void> {
  const { program, args } = pick(words);
  // Whoever read the log may be gone. A line that cannot be written must not become the next one.
  process.stderr.on("error", () => {});
  try {
    process.exitCode = await program.run(args);
  } catch (error) {
    const isExpected = error instanceof Fault || isMistyped(error);
    // A stack is for whoever mends the program, a sentence for whoever runs it.
    const words = isExpected ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${words}\n`);
    process.exitCode = isExpected ? program.refused : 70;
  }
}

// What parseArgs of node:util says of flags.
function isMistyped(error: unknown): error is Error {
  return (
    error instanceof Error && "code" in error && String(error.code).startsWith("ERR_PARSE_ARGS_")
  );
}

// Not awaited: a command that the user stops may leave a promise that nothing will settle any more.
void main(process.argv.slice(2));
