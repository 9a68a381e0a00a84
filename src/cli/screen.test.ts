// What is drawn again stays in its place, on a terminal that is too small for it too.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { redrawing } from "./screen.ts";
import { spin } from "./spinner.ts";
import type { Terminal } from "./terminal.ts";

/** A terminal of 20 columns and 4 rows, and what was written to it. */
function small(live: boolean): { terminal: Terminal; written: string[] } {
  const written: string[] = [];
  const print = (text: string): void => void written.push(text);
  const size = () => ({ columns: 20, rows: 4 });
  const terminal = { print, rewrite: print, live, liveNotes: live, size } as unknown as Terminal;
  return { terminal, written };
}

test("lines that do not fit are cut, so that the next drawing begins where this one did", () => {
  const { terminal, written } = small(true);
  const redraw = redrawing(terminal);
  const wide = "x".repeat(30);
  redraw(`${wide}\nb\n`);
  redraw(`${wide}\nb\nc\nd\ne\n`);
  redraw("a\n");
  const cut = "x".repeat(20);
  assert.deepEqual(written, [
    `\x1b[K${cut}\n\x1b[Kb\n\x1b[J`,
    `\x1b[2A\x1b[K${cut}\n\x1b[Kb\n\x1b[Kc\n\x1b[J`,
    "\x1b[3A\x1b[Ka\n\x1b[J",
  ]);
});

test("where nobody looks, each text is printed once and whole", () => {
  const { terminal, written } = small(false);
  const redraw = redrawing(terminal);
  for (const text of ["", "a\n", "a\n", `${"x".repeat(30)}\n`]) redraw(text);
  assert.deepEqual(written, ["a\n\n", `${"x".repeat(30)}\n\n`]);
});

test("a spinner says one line, whatever it is told", () => {
  const { terminal, written } = small(true);
  const clock = new VirtualClock();
  const spinner = spin(terminal, "These are not ready:\n\t* shop/web\n\t* shop/emoji", clock);
  clock.advance(200);
  spinner.stop();
  assert.ok(written.length > 2, "it turned");
  for (const text of written) assert.ok(text.length <= "\r\x1b[K".length + 20, text);
  assert.ok(!written.join("").includes("\n"));
});
