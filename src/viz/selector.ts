// Label selectors as typed after -l: `app=web,tier!=cache,env in (a,b),!legacy`.

import { Fault } from "../base/fault.ts";
import { type LabelSelector, selects } from "../platform/kinds.ts";
import type { Labels } from "./text.ts";

export type Selector = (labels: Labels) => boolean;

/** Reads a selector; "" takes everything. */
export function parseSelector(text: string): Selector {
  const selector = parseLabelSelector(text);
  return (labels) => selects(selector, labels);
}

/** The same as manifests write it. */
export function parseLabelSelector(text: string): LabelSelector {
  const terms = text.trim() === "" ? [] : text.split(/,(?![^(]*\))/).map(parseTerm);
  const isEqual = ({ operator, values }: Term): boolean => operator === "In" && values.length === 1;
  const matchLabels = Object.fromEntries(
    terms.filter(isEqual).map(({ key, values }) => [key, values[0]!]),
  );
  const isSaid = (term: Term): boolean => isEqual(term) && matchLabels[term.key] === term.values[0];
  return { matchLabels, matchExpressions: terms.filter((term) => !isSaid(term)) };
}

type Term = LabelSelector["matchExpressions"][number];

function parseTerm(text: string): Term {
  const term = text.trim();
  const set = /^([\w./-]+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(term);
  if (set) {
    const values = set[3]!.split(",").map((value) => value.trim());
    return { key: set[1]!, operator: set[2] === "in" ? "In" : "NotIn", values };
  }
  const equal = /^([\w./-]+)\s*(==|!=|=)\s*([\w.-]*)$/.exec(term);
  if (equal) {
    const [, key = "", operator, value = ""] = equal;
    return { key, operator: operator === "!=" ? "NotIn" : "In", values: [value] };
  }
  const exists = /^(!?)\s*([\w./-]+)$/.exec(term);
  if (exists) {
    const operator = exists[1] === "" ? "Exists" : "DoesNotExist";
    return { key: exists[2]!, operator, values: [] };
  }
  throw new Fault(
    "bad-input",
    `"${term}" is no label selector: write for example app=web,tier!=cache`,
  );
}
