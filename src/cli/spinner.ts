// The moving line that says what is being waited for. On anything but a terminal it says each thing once.

import type { Clock, Timer } from "../base/clock.ts";
import { systemClock } from "../base/clock.ts";
import type { Terminal } from "./terminal.ts";

const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const FRAME_MS = 90;
const CLEAR = "\r\x1b[K";

export interface Spinner {
  /** Changes what is being waited for. */
  say(what: string): void;
  /** Takes the line away. */
  stop(): void;
}

/** Starts a spinner on standard error. */
export function spin(terminal: Terminal, what: string, clock: Clock = systemClock): Spinner {
  let text = what;
  if (!terminal.liveNotes) {
    terminal.note(what);
    return {
      say: (next) => {
        if (next !== text) terminal.note(next);
        text = next;
      },
      stop: () => {},
    };
  }
  let frame = 0;
  let timer: Timer | undefined = clock.every(FRAME_MS, () => {
    // One line, for only that is cleared.
    const [line] = text.split("\n");
    const shown = `${FRAMES[frame++ % FRAMES.length]} ${line}`.slice(0, terminal.size().columns);
    terminal.rewrite(CLEAR + shown);
  });
  return {
    say: (next) => (text = next),
    stop: () => {
      if (!timer) return;
      timer.cancel();
      timer = undefined;
      terminal.rewrite(CLEAR);
    },
  };
}
