// The formulas of ServiceProfiles: which requests a route is for, which responses are failures. They are data, as all
// that the control plane tells, and become tests where they are bound.

/** `all` of none is true, `any` of none is false. */
export type Formula<Fact> =
  | { readonly kind: "all" | "any"; readonly of: readonly Formula<Fact>[] }
  | { readonly kind: "not"; readonly of: Formula<Fact> }
  | { readonly kind: "fact"; readonly of: Fact };

type Test<Args extends readonly unknown[]> = (...args: Args) => boolean;

/** The test that `formula` stands for; `testOf` makes those of its facts. */
export function compileFormula<Fact, Args extends readonly unknown[]>(
  formula: Formula<Fact>,
  testOf: (fact: Fact) => Test<Args>,
): Test<Args> {
  if (formula.kind === "fact") return testOf(formula.of);
  if (formula.kind === "not") {
    const part = compileFormula(formula.of, testOf);
    return (...args) => !part(...args);
  }
  const parts = formula.of.map((part) => compileFormula(part, testOf));
  return formula.kind === "all"
    ? (...args) => parts.every((part) => part(...args))
    : (...args) => parts.some((part) => part(...args));
}
