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
  controller: {
    refused: 64,
    run: async () => {
      const { runLocalController } = await import("./control/localcontroller.ts");
      return runLocalController();
    },
  },
  cli: {
    refused: 1,
    run: async (words) => {
      const [{ cli }, { processTerminal }] = await Promise.all([
        import("./cli/cli.ts"),
        import("./cli/terminal.ts"),
      ]);
      return cli(words, processTerminal());
    },
  },
};

async function main([first = "", ...rest]: readonly string[]): Promise<void> {
  const name = Object.hasOwn(PROGRAMS, first) && first !== "cli" ? first : "cli";
  const program = PROGRAMS[name]!;
  try {
    process.exitCode = await program.run(name === "cli" ? process.argv.slice(2) : rest);
  } catch (error) {
    const isExpected = error instanceof Fault;
    // A stack is for whoever mends the program, a sentence for whoever runs it.
    process.stderr.write(
      `${isExpected ? error.message : ((error as Error)?.stack ?? String(error))}\n`,
    );
    process.exitCode = isExpected ? program.refused : 70;
  }
}

await main(process.argv.slice(2));
