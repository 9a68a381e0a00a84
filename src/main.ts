// Picks a program by the first word. Programs are loaded only when they are meant: a sidecar must not pay for
// the command line.

import { Fault } from "./base/fault.ts";

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
    run: async () => {
      const { startProxy } = await import("./proxy/start.ts");
      const proxy = await startProxy(process.env);
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        process.once(signal, () => void proxy.drain());
      }
      await proxy.stopped;
      return 0;
    },
  },
  /** The control plane of a local mesh; the mesh starts it. */
  controller: {
    refused: 1,
    run: async () => {
      const { runLocalController } = await import("./control/localcontroller.ts");
      return runLocalController(process.env);
    },
  },
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

async function main(words: readonly string[]): Promise<void> {
  const [first = "", ...rest] = words;
  const named = Object.hasOwn(PROGRAMS, first) ? PROGRAMS[first] : undefined;
  const program = named ?? COMMANDS;
  try {
    process.exitCode = await program.run(named ? rest : words);
  } catch (error) {
    const isExpected = error instanceof Fault;
    // A stack is for whoever mends the program, a sentence for whoever runs it.
    const words = isExpected ? error.message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${words}\n`);
    process.exitCode = isExpected ? program.refused : 70;
  }
}

await main(process.argv.slice(2));
