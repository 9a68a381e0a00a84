// The precedence of policy and profile, case by case.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { DestinationProfileSchema } from "../../proto/gen/destination_pb.js";
import { bareAddress, planFor } from "./plan.ts";
import { compileWants, parseProfile } from "./profile.ts";
import { type Backend, type OutboundPolicy } from "./policy.ts";

const ORIGINAL = { ip: "10.0.0.1", port: 80 };
const DEFAULTS = { queue: { capacity: 100, failfastMs: 3000 }, detectMs: 10_000 };
const FQDN = "web.emojivoto.svc.cluster.local";

const profile = (json: JsonValue) => parseProfile(fromJson(DestinationProfileSchema, json));
const policy: OutboundPolicy = planFor(ORIGINAL, undefined, undefined, DEFAULTS);

function backends({ protocol }: OutboundPolicy): Backend["to"][] {
  const routes =
    protocol.kind === "opaque"
      ? protocol.opaque
      : protocol.kind === "detect"
        ? protocol.http1.routes.flatMap(({ rules }) => rules)
        : [];
  return routes.flatMap(({ to }) => to.backends.map(({ backend }) => backend.to));
}

test("the policy rules when the profile says nothing of routing", () => {
  assert.equal(planFor(ORIGINAL, policy, profile({ fullyQualifiedName: FQDN }), DEFAULTS), policy);
  assert.equal(planFor(ORIGINAL, policy, undefined, DEFAULTS), policy);
});

test("an opaque profile makes any destination opaque", () => {
  const plan = planFor(ORIGINAL, policy, profile({ opaqueProtocol: true }), DEFAULTS);
  assert.equal(plan.protocol.kind, "opaque");
  assert.deepEqual(backends(plan)[0], { kind: "forward", address: bareAddress(ORIGINAL) });
});

test("an unknown destination goes where its profile's endpoint says", () => {
  const endpoint = { addr: { ip: { ipv4: 0x0a000009 }, port: 8080 }, weight: 1 };
  const [to] = backends(planFor(ORIGINAL, undefined, profile({ endpoint }), DEFAULTS));
  assert.equal(to?.kind === "forward" && to.address.ip, "10.0.0.9");
});

test("of whom nothing is known is reached as it was called", () => {
  const plan = planFor(ORIGINAL, undefined, undefined, DEFAULTS);
  assert.equal(plan.meta.name, "fallback");
  assert.deepEqual(backends(plan), [{ kind: "forward", address: bareAddress(ORIGINAL) }]);
});

test("routes of a service profile rule over the policy, with a rule for the rest", () => {
  const route = {
    condition: {
      all: { matches: [{ path: { regex: "/books/[^/]*" } }, { method: { registered: "GET" } }] },
    },
    metricsLabels: { route: "book" },
    isRetryable: true,
    timeout: "0.100s",
    responseClasses: [{ condition: { status: { min: 500, max: 599 } }, isFailure: true }],
  };
  const given = profile({ fullyQualifiedName: FQDN, routes: [route] });
  const { protocol } = planFor(ORIGINAL, policy, given, DEFAULTS);
  assert.ok(protocol.kind === "detect");
  const [book, rest] = protocol.http1.routes[0]!.rules;
  const wants = compileWants(book!.profile!);
  assert.equal(wants("GET", "/books/1"), true);
  assert.equal(wants("POST", "/books/1"), false);
  assert.equal(wants("GET", "/books/1/pages"), false);
  assert.deepEqual(book!.profile?.labels, { route: "book" });
  assert.equal(book!.timeouts.requestMs, 100);
  assert.deepEqual(book!.profile?.budget, { ratio: 0.2, minPerSecond: 10, ttlMs: 10_000 });
  assert.deepEqual(rest!.profile?.labels, {});
  assert.deepEqual(backends(planFor(ORIGINAL, policy, given, DEFAULTS))[0], {
    kind: "balance",
    path: `${FQDN}:80`,
    load: { defaultRttMs: 30, decayMs: 10_000 },
  });
});

test("overrides of a service profile split the traffic", () => {
  const dstOverrides = [
    { authority: `${FQDN}:80`, weight: 900 },
    { authority: "web-2.emojivoto.svc.cluster.local:80", weight: 100 },
    { authority: "web-3.emojivoto.svc.cluster.local:80", weight: 0 },
  ];
  const { protocol } = planFor(ORIGINAL, policy, profile({ dstOverrides }), DEFAULTS);
  assert.ok(protocol.kind === "detect");
  const { to } = protocol.http1.routes[0]!.rules[0]!;
  assert.equal(to.kind, "random");
  assert.deepEqual(
    to.backends.map(({ weight, backend }) => [weight, backend.meta.name, backend.meta.port]),
    [
      [900, "web", 80],
      [100, "web-2", 80],
    ],
  );
});
