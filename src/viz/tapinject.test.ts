// What the tap injector changes of a pod, and when it leaves one alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { podOf } from "../control/manifest.ts";
import { allowTap } from "./tapinject.ts";

const TAPPER = "tap.linkerd-viz.serviceaccount.identity.linkerd.cluster.local";
const DISABLED = { "viz.linkerd.io/disable-tap": "true" };

const pod = (proxy: object[] = [{ name: "linkerd-proxy", env: [] }], annotations = {}) => ({
  kind: "Pod",
  metadata: { name: "web", annotations },
  spec: { containers: [{ name: "app" }], initContainers: proxy as { name: string }[] },
});

test("a proxy is told who may tap, wherever it stands, and the pod says so", () => {
  const after = podOf(allowTap(pod(), TAPPER, {}))!;
  assert.deepEqual(after.metadata?.annotations, { "viz.linkerd.io/tap-enabled": "true" });
  const env = [{ name: "LINKERD2_PROXY_TAP_SVC_NAME", value: TAPPER }];
  assert.deepEqual(after.spec.initContainers, [{ name: "linkerd-proxy", env }]);
  assert.deepEqual(after.spec.containers, [{ name: "app" }]);
});

test("pods without a proxy, that were told already, or that want no taps stay as they are", () => {
  const bare = pod([]);
  assert.equal(allowTap(bare, TAPPER, {}), bare);
  const told = allowTap(pod(), TAPPER, {});
  assert.equal(allowTap(told, TAPPER, {}), told);
  const shy = pod(undefined, DISABLED);
  assert.equal(allowTap(shy, TAPPER, {}), shy);
});

test("a pod of a namespace that wants no taps says so", () => {
  const after = podOf(allowTap(pod(), TAPPER, DISABLED))!;
  assert.deepEqual(after.metadata?.annotations, DISABLED);
  assert.deepEqual(after.spec.initContainers, [{ name: "linkerd-proxy", env: [] }]);
});

test("a pod may want taps that its namespace does not", () => {
  const wanted = pod(undefined, { "viz.linkerd.io/disable-tap": "false" });
  const { annotations } = podOf(allowTap(wanted, TAPPER, DISABLED))!.metadata!;
  assert.equal(annotations?.["viz.linkerd.io/tap-enabled"], "true");
});
