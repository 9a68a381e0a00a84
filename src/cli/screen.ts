// Parts of the terminal that are drawn again and again: the whole screen, or some lines below what stands there. Plain
// tables, one after the other, where nobody looks.

import type { Terminal } from "./terminal.ts";

export interface Screen {
  /** Shows `title` and below it `body`; lines that do not fit are cut, and moved sideways with the arrow keys. */
  draw(title: string, body: string): void;
  close(): void;
}

const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const END_OF_LINE = "\x1b[K";
const BELOW = "\x1b[J";
const STEP = 8;

/** Opens the alternate screen; `q` and Ctrl-C close the terminal's scope. */
export function openScreen(terminal: Terminal): Screen {
  if (!terminal.live) return plainScreen(terminal);
  let shift = 0;
  terminal.print(ENTER);
  const stop = terminal.keys((key) => {
    if (key === "q" || key === "\x03") void terminal.scope.close();
    else if (key === "d" || key === "\x1b[C") shift += STEP;
    else if (key === "a" || key === "\x1b[D") shift = Math.max(0, shift - STEP);
  });
  let open = true;
  return {
    draw: (title, body) => {
      if (!open) return;
      const moved = body.split("\n").map((line) => line.slice(shift));
      terminal.print(
        HOME + fitted([...title.split("\n"), "", ...moved], terminal).join("") + BELOW,
      );
    },
    close: () => {
      if (!open) return;
      open = false;
      stop();
      terminal.print(LEAVE);
    },
  };
}

/** Draws a text over the one before; what does not fit is cut, for a line that wraps would be two. */
export function redrawing(terminal: Terminal): (text: string) => void {
  let last = "";
  let drawn = 0;
  return (text) => {
    if (text === last || text.trim() === "") return;
    last = text;
    if (!terminal.live) return terminal.print(`${text}\n`);
    const lines = fitted(text.trimEnd().split("\n"), terminal);
    const up = drawn > 0 ? `\x1b[${drawn}A` : "";
    terminal.print(up + lines.join("") + BELOW);
    drawn = lines.length;
  };
}

// Cleared first: after its last column, a terminal would clear that.
function fitted(lines: readonly string[], { size }: Terminal): string[] {
  const { columns, rows } = size();
  return lines.slice(0, rows - 1).map((line) => `${END_OF_LINE}${line.slice(0, columns)}\n`);
}

function plainScreen(terminal: Terminal): Screen {
  const redraw = redrawing(terminal);
  return { draw: (_, body) => redraw(body), close: () => {} };
}
