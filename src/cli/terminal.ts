// Where a command writes and how it learns that the user has had enough. Commands never touch `process`, so
// that a test can read what they print and stop them.

import { constants } from "node:os";
import { MessageChannel } from "node:worker_threads";
import { systemClock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import type { Close } from "../base/watch.ts";

export type Paint = (text: string) => string;
export type Palette = Readonly<Record<"green" | "yellow" | "red" | "bold" | "dim" | "cyan", Paint>>;

export type Terminal = {
  /** Results: to standard output. */
  readonly print: (text: string) => void;
  /** Everything that is not the result: to standard error, one line. */
  readonly note: (text: string) => void;
  /** To standard error as it is: for lines that are drawn over. */
  readonly rewrite: (text: string) => void;
  /** Whether a person looks at standard output, so that it may be redrawn. */
  readonly live: boolean;
  /** The same for standard error. */
  readonly liveNotes: boolean;
  readonly colour: Palette;
  readonly size: () => { columns: number; rows: number };
  /** Calls back with each key that is pressed, without waiting for a line, until closed. */
  readonly keys: (pressed: (key: string) => void) => Close;
  readonly env: NodeJS.ProcessEnv;
  /** Closed at Ctrl-C, SIGTERM and when nobody reads standard output any more. */
  readonly scope: Scope;
};

const CODES = { green: 32, yellow: 33, red: 31, bold: 1, dim: 2, cyan: 36 } as const;

/** Colours for a terminal, or none (https://no-color.org). */
export function palette(on: boolean): Palette {
  const entries = Object.entries(CODES).map(([name, code]) => [
    name,
    on ? (text: string) => `\x1b[${code}m${text}\x1b[0m` : (text: string) => text,
  ]);
  return Object.fromEntries(entries);
}

// A command that has been stopped may still say a last thing, but does not wait for an answer that may never come.
const GRACE_MS = 1000;

/** The terminal of this process. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const scope = new Scope();
  let asked = 0;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      const code = 128 + constants.signals[signal];
      // Twice means now: what hangs in a close must not hold the user.
      if (++asked > 1) process.exit(code);
      // What was to go on until it is stopped ends with a code of its own; this is for what was not done yet.
      process.exitCode = code;
      const leave = (): void => void systemClock.after(GRACE_MS, () => process.exit());
      void scope.close().then(leave, leave);
    });
  }
  // Timers of the clock hold no process; a command that waits for one does.
  const { port1: held } = new MessageChannel();
  held.ref();
  scope.defer(() => held.close());
  stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
    // A reader that has seen enough (`| head`) is success, not a failure; a disk that is full is one.
    const isEnough = code === "EPIPE";
    if (!isEnough) stderr.write(`standard output cannot be written: ${message}\n`);
    void scope.close().then(() => process.exit(isEnough ? 0 : 1));
  });
  return {
    print: (text) => void stdout.write(text),
    note: (text) => void stderr.write(`${text}\n`),
    rewrite: (text) => void stderr.write(text),
    live: stdout.isTTY === true && env["TERM"] !== "dumb",
    liveNotes: stderr.isTTY === true && env["TERM"] !== "dumb",
    colour: palette(stdout.isTTY === true && !env["NO_COLOR"] && env["TERM"] !== "dumb"),
    size: () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 }),
    keys: readKeys,
    env,
    scope,
  };
}

function readKeys(pressed: (key: string) => void): Close {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const read = (bytes: Buffer): void => pressed(bytes.toString());
  stdin.setRawMode(true);
  stdin.on("data", read);
  return () => {
    stdin.off("data", read);
    stdin.setRawMode(false);
    stdin.pause();
  };
}

/** Resolves when the user stops the command. */
export function untilStopped(terminal: Terminal): Promise<void> {
  return new Promise((resolve) => void terminal.scope.defer(resolve));
}
