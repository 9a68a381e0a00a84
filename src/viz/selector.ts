// Label selectors as typed after -l: `app=web,tier!=cache,env in (a,b),!legacy`.

import { Fault } from "../base/fault.ts";
import type { Labels } from "./text.ts";

export type Selector = (labels: Labels) => boolean;

/** Reads a selector; "" takes everything. */
export function parseSelector(text: string): Selector {
  const terms = text.trim() === "" ? [] : text.split(/,(?![^(]*\))/).map(parseTerm);
  return (labels) => terms.every((term) => term(labels));
}

function parseTerm(text: string): Selector {
  const term = text.trim();
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set) {
    const [, key, operator, list] = set;
    const values = list!.split(",").map((value) => value.trim());
    return (labels) => values.includes(labels[key!] ?? "\0") === (operator === "in");
  }
  const equal = /^([\w./-]+)\s*(==|!=|=)\s*([\w.-]*)$/.exec(term);
  if (equal) {
    const [, key, operator, value] = equal;
    return (labels) => (labels[key!] === value) === (operator !== "!=");
  }
  const exists = /^(!?)\s*([\w./-]+)$/.exec(term);
  if (exists) return (labels) => Object.hasOwn(labels, exists[2]!) === (exists[1] === "");
  throw new Fault(
    "bad-input",
    `"${term}" is no label selector: write for example app=web,tier!=cache`,
  );
}
