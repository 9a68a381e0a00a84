// Which Servers are in the way of another.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { storeFrom } from "../../test/support/world.ts";
import type { RawObject } from "./manifest.ts";
import { overlapsOf } from "./overlap.ts";

const server = (name: string, spec: string): string => `
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: ${name}, namespace: ns}
spec: {${spec}}
`;
const labels = (app: string): string => `podSelector: {matchLabels: {app: ${app}}}`;

const cases: readonly [what: string, name: string, spec: string, isInTheWay: boolean][] = [
  ["the same pods and port", "b", `${labels("web")}, port: 80`, true],
  ["itself", "a", `${labels("web")}, port: 80`, false],
  ["another port", "b", `${labels("web")}, port: 81`, false],
  ["a port by name", "b", `${labels("web")}, port: http`, false],
  ["other pods", "b", `${labels("api")}, port: 80`, false],
  ["all pods", "b", "podSelector: {}, port: 80", true],
  ["workloads outside", "b", "externalWorkloadSelector: {}, port: 80", false],
];

for (const [what, name, spec, isInTheWay] of cases) {
  test(`a Server for ${what} is ${isInTheWay ? "refused" : "taken"}`, () => {
    const there = storeFrom(server("a", `${labels("web")}, port: 80`)).all("Server");
    const found = overlapsOf(parse(server(name, spec)) as RawObject, "ns", there);
    assert.equal(found.length, isInTheWay ? 1 : 0);
    assert.deepEqual(overlapsOf(parse(server(name, spec)) as RawObject, "other", there), []);
  });
}
