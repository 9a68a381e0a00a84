// The rules that a request brings along, in `l5d-ctx-dtab` (accumulated on its way) and `l5d-dtab` (of whoever sent
// it). They stand behind the router's, so that they win. The same few texts come again and again and are read once.

import type { Dtab } from "../name/dtab.ts";
import { parseDtab, printDtab } from "../name/dtab.ts";
import { Memory } from "../proxy/memory.ts";

export type LocalDtab = {
  readonly dtab: Dtab;
  /** As it goes on in `l5d-ctx-dtab`; empty when there are no rules. */
  readonly text: string;
};

export const NO_DTAB: LocalDtab = { dtab: [], text: "" };

const known = new Memory<LocalDtab>(256);

/** Reads the values of these headers, a dtab on each line. Throws a SyntaxFault. */
export function localDtab(text: string): LocalDtab {
  let local = known.recall(text);
  if (local === undefined) {
    const dtab = text.split("\n").flatMap((value) => parseDtab(value));
    local = dtab.length === 0 ? NO_DTAB : { dtab, text: printDtab(dtab) };
    known.remember(text, local);
  }
  return local;
}
