// What an installation chose, as the programs of the control plane go by it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Installation } from "./injectproxy.ts";
import { settingsOf } from "./kubeprocess.ts";
import { missedPods } from "./missed.ts";
import { readValues } from "./values.ts";

const installation = (values: object = {}): Installation => ({
  values: readValues(values).values,
  namespace: "mesh",
  trustAnchors: "ANCHORS",
});

test("flags that Linkerd's charts hand on turn on what they stand for", () => {
  const { allowL5dRequestHeaders: allows, extEndpointZoneWeights: weighs } =
    settingsOf(installation());
  assert.deepEqual([allows, weighs], [false, false]);
  const more = settingsOf(
    installation({
      policyController: { additionalArgs: ["--allow-l5d-request-headers"] },
      destinationController: { additionalArgs: ["-ext-endpoint-zone-weights"] },
    }),
  );
  assert.deepEqual([more.allowL5dRequestHeaders, more.extEndpointZoneWeights], [true, true]);
});

test("only pods that the API server would show to the injector are missed", async () => {
  const pod = (namespace: string, labels = {}) => ({
    metadata: { name: "web", namespace, labels },
    spec: { containers: [{ name: "web" }] },
  });
  const items = [pod("shop"), pod("shop", { mesh: "no" }), pod("kube-system"), pod("quiet")];
  const api = { request: async () => ({ items, metadata: {} }) } as unknown as KubeApi;
  const namespace = (name: string) => ({
    labels: {
      "kubernetes.io/metadata.name": name,
      ...(name === "quiet" && { "config.linkerd.io/admission-webhooks": "disabled" }),
    },
    annotations: { "linkerd.io/inject": "enabled" },
  });
  const missed = async (values: object) =>
    (await missedPods(api, installation(values), namespace)).map(
      ({ metadata }) => `${metadata!.namespace} ${metadata!.labels?.["mesh"]}`,
    );
  assert.deepEqual(await missed({}), ["shop undefined", "shop no"]);
  const matchExpressions = [{ key: "mesh", operator: "NotIn", values: ["no"] }];
  const objectSelector = { matchExpressions };
  assert.deepEqual(await missed({ proxyInjector: { objectSelector } }), ["shop undefined"]);
});
