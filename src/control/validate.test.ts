// What the validators refuse, and in which words.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { RawObject } from "./manifest.ts";
import { mistakesOf } from "./validate.ts";

const policy = (kind: string, spec: string, version = "v1alpha1"): RawObject =>
  parse(
    `{apiVersion: policy.linkerd.io/${version}, kind: ${kind}, metadata: {name: x, namespace: ns}, spec: ${spec}}`,
  ) as RawObject;

const TARGET = "targetRef: {group: policy.linkerd.io, kind: Server, name: s}";
const tls = "{group: policy.linkerd.io, kind: MeshTLSAuthentication, name: a}";

const cases: readonly [string, RawObject, RegExp | undefined][] = [
  [
    "a network",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}"),
    undefined,
  ],
  [
    "an exception elsewhere",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}"),
    /except 11.0.0.0\/16 is not inside 10.0.0.0\/8/,
  ],
  [
    "an exception that is all",
    policy("NetworkAuthentication", "{networks: [{cidr: 10.0.0.0/8, except: [10.0.0.0/8]}]}"),
    /leaves nothing/,
  ],
  [
    "one authentication",
    policy("AuthorizationPolicy", `{${TARGET}, requiredAuthenticationRefs: [${tls}]}`),
    undefined,
  ],
  [
    "two of them",
    policy("AuthorizationPolicy", `{${TARGET}, requiredAuthenticationRefs: [${tls}, ${tls}]}`),
    /at most one MeshTLSAuthentication/,
  ],
  ["nobody", policy("MeshTLSAuthentication", "{}"), /./],
  [
    "an unknown key",
    policy("Server", "{podSelector: {}, port: 80, portt: 81}", "v1beta3"),
    /portt/,
  ],
  ["a kind of somebody else", { apiVersion: "example.com/v1", kind: "Thing", spec: {} }, undefined],
];

for (const [name, object, wanted] of cases) {
  test(`validates ${name}`, () => {
    const mistakes = mistakesOf(object).join("; ");
    if (wanted) assert.match(mistakes, wanted);
    else assert.equal(mistakes, "");
  });
}
