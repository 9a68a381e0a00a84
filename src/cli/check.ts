// The engine of `linkerd check`: runs the rows of a table of checks one after the other, waits for what may still
// become right, and prints what it finds as a table, briefly, or as JSON. What is checked stands in checks.ts.

import { type Clock, pause } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { printJson } from "./format.ts";
import type { Spinner } from "./spinner.ts";
import { spin } from "./spinner.ts";
import type { Palette, Terminal } from "./terminal.ts";

/** A row of a table of checks; `C` is what the rows of a table share. */
export type Check<C> = {
  readonly description: string;
  /** Where the documentation says what to do; without one there is no hint. */
  readonly anchor?: string;
  /** A fatal failure ends the run, a warning does not fail it. */
  readonly severity: "fatal" | "error" | "warning";
  /** Whether waiting may help. */
  readonly retries?: boolean;
  /** Throws what is wrong; a thrown Fault is a sentence for the user. */
  readonly run: (context: C) => Promise<void> | void;
};

export type Category<C> = {
  readonly id: string;
  readonly checks: readonly Check<C>[];
  /** Whether there is anything to check; asked when its turn comes, always when absent. */
  readonly applies?: (context: C) => Promise<boolean>;
};

export type Result = {
  readonly category: string;
  readonly description: string;
  readonly hint: string | undefined;
  readonly error: string | undefined;
  readonly result: "success" | "warning" | "error";
};

export type CheckOptions = {
  readonly waitMs: number;
  readonly hintBase: string;
  readonly clock: Clock;
  /** Told of each result as it is known, and of what is being waited for. */
  readonly onResult: (result: Result) => void;
  readonly onWait: (description: string, error: string) => void;
  readonly stopped: () => boolean;
};

const RETRY_MS = 1000;

/** Runs all checks in order; resolves to their results, the last of which may be a fatal failure. */
export async function runChecks<C>(
  categories: readonly Category<C>[],
  context: C,
  options: CheckOptions,
): Promise<Result[]> {
  const results: Result[] = [];
  const deadline = options.clock.now() + options.waitMs;
  for (const { id, checks, applies } of categories) {
    if (applies && !(await applies(context))) continue;
    for (const check of checks) {
      const error = await attempt(check, context, deadline, options);
      const isBad = error !== undefined;
      const result: Result = {
        category: id,
        description: check.description,
        hint: isBad && check.anchor ? options.hintBase + check.anchor : undefined,
        error,
        result: !isBad ? "success" : check.severity === "warning" ? "warning" : "error",
      };
      results.push(result);
      options.onResult(result);
      if (isBad && check.severity === "fatal") return results;
    }
  }
  return results;
}

async function attempt<C>(
  check: Check<C>,
  context: C,
  deadline: number,
  { clock, onWait, stopped }: CheckOptions,
): Promise<string | undefined> {
  for (;;) {
    let error: string;
    try {
      await check.run(context);
      return undefined;
    } catch (thrown) {
      error = Fault.from(thrown).message;
    }
    if (!check.retries || clock.now() + RETRY_MS > deadline || stopped()) return error;
    onWait(check.description, error);
    await pause(clock, RETRY_MS);
  }
}

/** Whether a run went well: warnings do not spoil it. */
export function succeeded(results: readonly Result[]): boolean {
  return results.every(({ result }) => result !== "error");
}

/** Prints results as they come; `close` prints the verdict. */
export type Report = {
  readonly options: Pick<CheckOptions, "onResult" | "onWait">;
  close(results: readonly Result[]): void;
};

/** The report in one of the three formats. */
export function report(format: "table" | "json" | "short", terminal: Terminal): Report {
  if (format === "json") {
    return {
      options: { onResult: () => {}, onWait: () => {} },
      close: (results) => terminal.print(printResultsJson(results)),
    };
  }
  let heading = "";
  let spinner: Spinner | undefined;
  const quiet = (): void => {
    spinner?.stop();
    spinner = undefined;
  };
  return {
    options: {
      onResult: (result) => {
        quiet();
        if (format === "short" && result.result === "success") return;
        if (result.category !== heading) {
          terminal.print(`${heading === "" ? "" : "\n"}${printHeading(result.category)}`);
          heading = result.category;
        }
        terminal.print(printResult(result, terminal.colour));
      },
      onWait: (_, error) => {
        if (!terminal.liveNotes) return;
        spinner ??= spin(terminal, error);
        spinner.say(error);
      },
    },
    close: (results) => {
      quiet();
      const { green, red, bold } = terminal.colour;
      const verdict = succeeded(results) ? bold(green("√")) : bold(red("×"));
      terminal.print(`${heading === "" ? "" : "\n"}Status check results are ${verdict}\n`);
    },
  };
}

function printHeading(category: string): string {
  return `${category}\n${"-".repeat(category.length)}\n`;
}

/** One check: its mark and, when it failed, what is wrong and where to read on. */
export function printResult({ description, error, hint, result }: Result, colour: Palette): string {
  const mark = {
    success: colour.bold(colour.green("√")),
    warning: colour.bold(colour.yellow("‼")),
    error: colour.bold(colour.red("×")),
  }[result];
  const below = [...(error ?? "").split("\n"), hint ? `see ${hint} for hints` : ""];
  const lines = below.filter(Boolean).map((line) => `    ${line}\n`);
  return `${mark} ${description}\n${lines.join("")}`;
}

/** All results as the JSON object that other tools merge. */
export function printResultsJson(results: readonly Result[]): string {
  const byCategory = Map.groupBy(results, ({ category }) => category);
  const categories = [...byCategory].map(([categoryName, some]) => ({
    categoryName,
    checks: some.map(({ description, hint, error, result }) => ({
      description,
      ...(hint && { hint }),
      ...(error && { error }),
      result,
    })),
  }));
  return printJson({ success: succeeded(results), categories });
}
