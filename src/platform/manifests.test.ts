// Manifests: everything wrong is told at once with its place, and what is right is trimmed and completed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseManifests, readManifests } from "./manifests.ts";

const parse = (text: string) => parseManifests([["a.yaml", text]]);

const SERVER = (spec: string): string => `apiVersion: policy.linkerd.io/v1beta1
kind: Server
metadata: {name: web}
spec: ${spec}
`;

test("all mistakes come at once, with file, line and column", () => {
  const text = `apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
    - port: http
    - port: 80
      protocol: tcp
---
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web}
spec:
  podSelctor: {}
  podSelector: {}
  port: 80
---
apiVersion: policy.linkerd.io/v1beta3
kind: Sever
metadata: {name: web}
`;
  assert.throws(
    () => parse(text),
    (error: Error) => {
      assert.deepEqual(
        error.message.split("\n").map((line) => line.trim()),
        [
          "4 mistakes in the manifests; nothing was applied:",
          'a.yaml:7:13 spec.ports[0].port is "http"; expected a whole number from 1 to 65535',
          'a.yaml:9:17 spec.ports[1].protocol is "tcp"; expected one of TCP, UDP, SCTP',
          "a.yaml:15:3 spec.podSelctor is unknown; expected one of the keys podSelector, externalWorkloadSelector, port, proxyProtocol, accessPolicy",
          'a.yaml:20:7 kind is "Sever"; expected one of Server, ServerAuthorization, AuthorizationPolicy, MeshTLSAuthentication, NetworkAuthentication, HTTPLocalRateLimitPolicy, EgressNetwork, HTTPRoute',
        ],
      );
      return true;
    },
  );
});

test("broken YAML, a missing kind, a wrong version and a name given twice are told", () => {
  for (const [text, pattern] of [
    ["a: [1", /a\.yaml:\d+:\d+ .*(flow|sequence)/i],
    [
      "metadata: {name: x}",
      /a\.yaml:1:1 the document .*expected an object with apiVersion and kind/,
    ],
    [
      SERVER("{port: 80, podSelector: {}}").replace("v1beta1", "v9"),
      /apiVersion is .*expected one of the versions v1beta3/,
    ],
    [
      `${SERVER("{port: 80, podSelector: {}}")}---\n${SERVER("{port: 81, podSelector: {}}")}`,
      /a name that no other Server has/,
    ],
    ["apiVersion: v1\nkind: service\nmetadata: {name: x}", /expected Service of v1/],
    [SERVER("{port: 80}"), /either podSelector or externalWorkloadSelector/],
    [
      "apiVersion: v1\nkind: Service\nmetadata: {}\nspec: {}",
      /a\.yaml:3:11 metadata\.name is missing; expected a name/,
    ],
  ] as const) {
    assert.throws(() => parse(text), { message: pattern, code: "bad-input" });
  }
});

test("lists, several documents and JSON are read; what is absent is completed", () => {
  const list = JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [{ apiVersion: "v1", kind: "Namespace", metadata: { name: "a" } }],
  });
  const { resources, skipped } = parse(
    `${list}\n---\n---\n${SERVER("{port: 80, podSelector: {}}")}---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: n}`,
  );
  assert.deepEqual(skipped, ["Ingress n/i"]);
  assert.equal(resources.length, 2);
  const server = resources[1]!;
  assert.equal(server.apiVersion, "policy.linkerd.io/v1beta3");
  assert.equal(server.metadata.namespace, "default");
  assert.deepEqual(server.metadata.labels, {});
});

test("folders are read, and what is not there is named", async () => {
  const folder = new URL("../../demo/emojivoto", import.meta.url).pathname;
  const { resources } = await readManifests([folder]);
  assert.ok(
    resources.some(({ kind, metadata }) => kind === "Deployment" && metadata.name === "web"),
  );
  await assert.rejects(readManifests(["/no/such"]), { message: /\/no\/such.*no such file/ });
});
