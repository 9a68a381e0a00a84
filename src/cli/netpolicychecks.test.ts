// Which NetworkPolicies stop connections between proxies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import type { MeshPod } from "../viz/world.ts";
import { closedTo, type NetworkPolicy } from "./netpolicychecks.ts";

const pod = (name: string, annotations = {}) =>
  ({ namespace: "shop", name, labels: { app: name }, annotations }) as unknown as MeshPod;

const policy = (name: string, spec: string): NetworkPolicy => ({
  metadata: { namespace: "shop", name },
  spec: parse(`{${spec}}`) as NetworkPolicy["spec"],
});

const WEB = "podSelector: {matchLabels: {app: web}}";
const HTTP = "ingress: [{ports: [{port: 8080}]}]";

for (const [what, spec, stops] of [
  ["the application's port", `${WEB}, ${HTTP}`, ["p: ingress at port 4143 of web"]],
  [
    "a port by name",
    "podSelector: {}, ingress: [{ports: [{port: http}]}]",
    ["p: ingress at port 4143 of web"],
  ],
  ["the proxy's port", `${WEB}, ingress: [{ports: [{port: 8080}, {port: 4143}]}]`, []],
  ["the proxy's port by name", `${WEB}, ingress: [{ports: [{port: linkerd-proxy}]}]`, []],
  ["a range", `${WEB}, ingress: [{ports: [{port: 4000, endPort: 5000}]}]`, []],
  [
    "another protocol",
    `${WEB}, ingress: [{ports: [{port: 4143, protocol: UDP}]}]`,
    ["p: ingress at port 4143 of web"],
  ],
  ["any port of some", `${WEB}, ingress: [{from: [{podSelector: {}}]}]`, []],
  ["nothing", `${WEB}, policyTypes: [Ingress, Egress]`, []],
  ["other pods", `podSelector: {matchLabels: {app: db}}, ${HTTP}`, []],
  [
    "what goes out",
    `${WEB}, policyTypes: [Egress], egress: [{ports: [{port: 8080}]}]`,
    ["p: egress at port 4143 of web"],
  ],
] as const) {
  test(`a policy for ${what}`, () => {
    const lines = closedTo([policy("p", spec)], [pod("web")]);
    assert.deepEqual(
      lines,
      stops.map((line) => `shop/${line}`),
    );
  });
}

test("of several policies for a pod one that opens the port is enough", () => {
  const [closed, open] = [
    policy("closed", `${WEB}, ${HTTP}`),
    policy("open", "podSelector: {}, ingress: [{ports: [{port: 4143}]}]"),
  ];
  assert.deepEqual(closedTo([closed, open], [pod("web")]), []);
  assert.deepEqual(closedTo([closed], [pod("web"), pod("db")]).length, 1);
});

test("a proxy may listen elsewhere", () => {
  const elsewhere = pod("web", { "config.linkerd.io/inbound-port": "5143" });
  assert.deepEqual(closedTo([policy("p", `${WEB}, ${HTTP}`)], [elsewhere]), [
    "shop/p: ingress at port 5143 of web",
  ]);
});
