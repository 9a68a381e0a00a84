// The injector as an API server calls it: what it answers, whom it asks for owners, and what it tells people.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Registry } from "../base/metrics.ts";
import { Body } from "../io/body.ts";
import { HttpReq } from "../io/message.ts";
import type { KubeEvent } from "./events.ts";
import type { Owner } from "./owners.ts";
import type { Operation } from "./jsonpatch.ts";
import { readValues } from "./values.ts";
import { injector } from "./webhooks.ts";

const PEER = { local: { ip: "", port: 0 }, remote: { ip: "", port: 0 } } as never;
const CRON: Owner = { apiVersion: "batch/v1", kind: "CronJob", name: "nightly", uid: "c" };

async function review(annotations: Record<string, string>, dryRun = false) {
  const events: KubeEvent[] = [];
  const registry = new Registry(new VirtualClock());
  const service = injector({
    installation: () => ({ values: readValues({}).values, namespace: "linkerd", trustAnchors: "" }),
    annotationsOf: async () => ({}),
    ownerOf: async (_, owner) => (owner.kind === "Job" ? CRON : owner),
    record: (event) => void events.push(event),
    registry,
  });
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      generateName: "nightly-1-",
      annotations,
      ownerReferences: [{ apiVersion: "batch/v1", kind: "Job", name: "nightly-1", uid: "j" }],
    },
    spec: { containers: [{ name: "app" }] },
  };
  const asked = { uid: "1", namespace: "ns", object, dryRun };
  const body = JSON.stringify({ apiVersion: "admission.k8s.io/v1", request: asked });
  const req = new HttpReq("POST", "/", "injector", 11, [], Body.of(body), PEER, 0);
  const rsp = await service(req);
  const text = await rsp.body.read(1 << 20, () => new Fault("body-too-large", "too large"));
  const { response } = JSON.parse(text.toString()) as {
    response: { allowed: boolean; patch?: string };
  };
  const patch = JSON.parse(
    Buffer.from(response.patch ?? "", "base64").toString() || "[]",
  ) as Operation[];
  return { patch, events, metrics: registry };
}

test("a pod of a CronJob's Job is labelled with the CronJob, which is told of it", async () => {
  const { patch, events } = await review({ "linkerd.io/inject": "enabled" });
  const labels = patch.find(({ path }) => path === "/metadata/labels")?.value;
  assert.equal((labels as Record<string, string>)["linkerd.io/proxy-cronjob"], "nightly");
  assert.ok(!patch.some(({ path }) => path.includes("ownerReferences")));
  assert.deepEqual(events, [
    {
      about: {
        apiVersion: "batch/v1",
        kind: "CronJob",
        metadata: { namespace: "ns", name: "nightly", uid: "c" },
      },
      type: "Normal",
      reason: "Injected",
      message: "Linkerd sidecar proxy injected",
      from: "linkerd-proxy-injector",
    },
  ]);
});

test("why a pod was passed over is told, unless nobody asked, or it is a dry run", async () => {
  const disabled = await review({ "linkerd.io/inject": "disabled" });
  assert.deepEqual(
    disabled.events.map(({ reason, message }) => `${reason}: ${message}`),
    [
      'InjectionSkipped: Linkerd sidecar proxy injection skipped: pod has the annotation "linkerd.io/inject:disabled"',
    ],
  );
  assert.deepEqual((await review({})).events, []);
  assert.deepEqual((await review({ "linkerd.io/inject": "enabled" }, true)).events, []);
});
