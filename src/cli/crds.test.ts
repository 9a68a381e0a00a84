// The custom resource definitions say only what an API server knows: a key that YAML read out of a sentence would be
// dropped by a lax server, and refused by a strict one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { renderChart } from "./chart.ts";

const KEYWORDS = new Set(
  "type format description properties items required enum pattern minimum maximum minLength maxLength minItems maxItems default nullable additionalProperties oneOf anyOf allOf not x-kubernetes-preserve-unknown-fields x-kubernetes-int-or-string x-kubernetes-validations".split(
    " ",
  ),
);

function strangers(schema: Record<string, unknown>, path: string): string[] {
  const own = Object.keys(schema).filter((key) => !KEYWORDS.has(key));
  const inner = (at: unknown, where: string): string[] =>
    typeof at === "object" && at !== null ? strangers(at as Record<string, unknown>, where) : [];
  return [
    ...own.map((key) => `${path}: ${key}`),
    ...inner(schema["items"], `${path}[]`),
    ...Object.entries((schema["properties"] ?? {}) as object).flatMap(([key, each]) =>
      inner(each, `${path}.${key}`),
    ),
  ];
}

test("schemas have no keys but those of OpenAPI", () => {
  for (const { metadata, spec } of renderChart("linkerd-crds", "linkerd", {})) {
    const { versions } = spec as {
      versions: { schema: { openAPIV3Schema: Record<string, unknown> } }[];
    };
    for (const { schema } of versions)
      assert.deepEqual(strangers(schema.openAPIV3Schema, metadata!.name!), []);
  }
});
