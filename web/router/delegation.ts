// A delegation as /delegator.json tells it, and which of its branches win. It is the rule of name/explain.ts, told again
// because a page cannot load what belongs to a process.

/** Where the playground tells what becomes of a name. */
export function delegatorAddress(router: string, name: string): string {
  return `/delegator?router=${encodeURIComponent(router)}#${encodeURI(name)}`;
}

export type Addr =
  | {
      readonly type: "bound";
      readonly addrs: readonly {
        readonly ip: string;
        readonly port: number;
        readonly meta: Readonly<Record<string, string | number>>;
      }[];
    }
  | { readonly type: "failed"; readonly cause: string }
  | { readonly type: "neg" | "pending" };

export type Bound = { readonly addr: Addr; readonly id: string; readonly path: string };

export type Delegation = {
  readonly path: string;
  readonly dentry?: { readonly prefix: string; readonly dst: string };
} & (
  | { readonly type: "delegate"; readonly delegate: Delegation }
  | { readonly type: "alt"; readonly alt: readonly Delegation[] }
  | { readonly type: "union"; readonly union: readonly { weight: number; tree: Delegation }[] }
  | { readonly type: "leaf"; readonly bound: Bound }
  | { readonly type: "transformation"; readonly name: string; readonly tree: Delegation }
  | { readonly type: "exception"; readonly message: string }
  | { readonly type: "neg" | "fail" | "empty" | "pending" }
);

export type Outcome = "bound" | "neg" | "fail" | "empty" | "exception" | "pending";

/** How a delegation ends: alternation takes the first that is not negative, union whatever is bound. */
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
      const found = node.union.map(({ tree }) => outcome(tree));
      const order: Outcome[] = ["bound", "empty", "pending", "exception"];
      return order.find((one) => found.includes(one)) ?? "neg";
    }
    default:
      return node.type;
  }
}
