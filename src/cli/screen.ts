// A part of the terminal that is drawn again and again: the whole screen on a terminal, plain tables otherwise.

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
      const { columns, rows } = terminal.size();
      const lines = [title, "", ...body.split("\n")].slice(0, rows - 1);
      const text = lines.map((line, i) => (i < 2 ? line : line.slice(shift)).slice(0, columns));
      terminal.print(HOME + text.map((line) => `${line}${END_OF_LINE}\n`).join("") + BELOW);
    },
    close: () => {
      if (!open) return;
      open = false;
      stop();
      terminal.print(LEAVE);
    },
  };
}

function plainScreen(terminal: Terminal): Screen {
  let last = "";
  return {
    draw: (_, body) => {
      if (body === last || body.trim() === "") return;
      last = body;
      terminal.print(`${body}\n`);
    },
    close: () => {},
  };
}
