// A delegation in words: which way won, and why the others did not.
// Used by routing errors, diagnostic traces and the `explain` command; it looks nothing up.

import type { Delegation } from "./delegate.ts";

/** How a delegation ends. */
export type Outcome = "bound" | "neg" | "fail" | "empty" | "exception" | "pending";

/** One step on the way to a leaf: the name, and the rule that made it (absent for the name asked for). */
export type Step = { path: string; dentry?: { prefix: string; dst: string } };

/** How a delegation ends when it is bound: alternation takes the first that is not negative, union whatever is bound. */
export function outcome(node: Delegation): Outcome {
  switch (node.type) {
    case "leaf":
      return "bound";
    case "delegate":
      return outcome(node.delegate);
    case "transformation":
      return outcome(node.tree);
    case "alt":
      return node.alt.map(outcome).find((found) => found !== "neg") ?? "neg";
    case "union": {
      const found = node.union.map((branch) => outcome(branch.tree));
      const order: Outcome[] = ["bound", "empty", "pending", "exception"];
      return order.find((one) => found.includes(one)) ?? "neg";
    }
    default:
      return node.type;
  }
}

/** The steps from the name to the leaf that a request takes, or to the last name where there is none. */
export function winningSteps(node: Delegation): Step[] {
  const step = stepOf(node);
  switch (node.type) {
    case "delegate":
      return [step, ...winningSteps(node.delegate)];
    case "transformation":
      return [step, ...winningSteps(node.tree)];
    case "alt": {
      const winner = node.alt.find((branch) => outcome(branch) !== "neg") ?? node.alt.at(-1);
      return winner ? [step, ...winningSteps(winner)] : [step];
    }
    case "union": {
      const winner = node.union.find((branch) => outcome(branch.tree) === "bound") ?? node.union[0];
      return winner ? [step, ...winningSteps(winner.tree)] : [step];
    }
    default:
      return [step];
  }
}

/** The steps to the leaf with this client id, as `TRACE` lists them; undefined when no leaf has it. */
export function stepsTo(node: Delegation, id: string): Step[] | undefined {
  if (node.type === "leaf") return node.bound.id === id ? [stepOf(node)] : undefined;
  for (const child of children(node)) {
    const found = stepsTo(child, id);
    if (found) return [stepOf(node), ...found];
  }
  return undefined;
}

/** The whole delegation, one line a node, indented; each line ends with the rule that made it and what came of it. */
export function printDelegation(node: Delegation, indent = ""): string {
  const weighted = node.type === "union" ? node.union.map((branch) => branch.weight) : undefined;
  const line = indent + node.path + rule(node) + remark(node);
  const below = children(node).map((child, i) => {
    const weight = weighted ? `${indent}  ${weighted[i]} *\n` : "";
    return weight + printDelegation(child, `${indent}  `);
  });
  return [line, ...below].join("\n");
}

function children(node: Delegation): readonly Delegation[] {
  switch (node.type) {
    case "delegate":
      return [node.delegate];
    case "transformation":
      return [node.tree];
    case "alt":
      return node.alt;
    case "union":
      return node.union.map((branch) => branch.tree);
    default:
      return [];
  }
}

function stepOf({ path, dentry }: Delegation): Step {
  return dentry ? { path, dentry } : { path };
}

function rule({ dentry }: Delegation): string {
  return dentry ? `  (${dentry.prefix} => ${dentry.dst})` : "";
}

function remark(node: Delegation): string {
  switch (node.type) {
    case "neg":
      return node.path === "~" ? ": negative by rule" : ": no rule and no namer knows this name";
    case "fail":
      return ": fails by rule";
    case "empty":
      return ": bound to no hosts by rule";
    case "pending":
      return ": not answered yet";
    case "exception":
      return `: ${node.message}`;
    case "transformation":
      return `: ${node.name}`;
    case "leaf":
      return `: ${addresses(node.bound.addr)}`;
    default:
      return "";
  }
}

function addresses(addr: Extract<Delegation, { type: "leaf" }>["bound"]["addr"]): string {
  switch (addr.type) {
    case "bound":
      return addr.addrs.length === 0
        ? "bound, but to no hosts"
        : `bound to ${addr.addrs.map(({ ip, port }) => `${ip}:${port}`).join(", ")}`;
    case "failed":
      return `addresses failed: ${addr.cause}`;
    case "neg":
      return "bound, but its host is unknown or has no address";
    case "pending":
      return "bound, addresses not known yet";
  }
}
