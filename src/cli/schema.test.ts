// The schemas of the charts: their own defaults pass, what is wrong is named, and installing refuses it.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chartSchema, parseSet, renderChart } from "./chart.ts";
import { HOME } from "./running.ts";
import { mistakesIn, type Schema } from "./schema.ts";

for (const chart of readdirSync(join(HOME, "charts"))) {
  test(`${chart}: every default has a place in the schema, and every place a default`, () => {
    const { defaults, schema } = chartSchema(chart);
    if (!schema) return;
    assert.deepEqual(mistakesIn(defaults, schema), []);
    assert.deepEqual(placesWithout(defaults, schema, schema), ["global"]);
  });
}

const refused: readonly [set: string, words: RegExp][] = [
  ["proxy.logFormat=xml", /proxy.logFormat: expected "plain" or "json", not "xml"/],
  ["proxy.ports.admin=70000", /proxy.ports.admin: expected at most 65535, not 70000/],
  ["proxy.ports.admin=x", /proxy.ports.admin: expected integer, not "x"/],
  ["proxy.lgLevel=debug", /there is no value "proxy.lgLevel"; there are image, uid, gid, logLevel/],
  ["controllerReplicas=0", /controllerReplicas: expected at least 1, not 0/],
  [
    "identity.issuer.issuanceLifetime=1w",
    /identity.issuer.issuanceLifetime: expected what matches/,
  ],
  [
    "imagePullSecrets={x}",
    /imagePullSecrets\[0\]: expected object, not "x"|imagePullSecrets\[0\].name is missing/,
  ],
  ["clusterNetworks=10.0.0.0", /clusterNetworks: expected what matches/],
];

for (const [set, words] of refused)
  test(`--set ${set} is refused`, () => {
    assert.throws(() => renderChart("linkerd-control-plane", "linkerd", parseSet(set)), words);
  });

test("several mistakes are named at once", () => {
  const set = parseSet("proxy.uid=a,webhookFailurePolicy=Maybe");
  assert.throws(
    () => renderChart("linkerd-control-plane", "linkerd", set),
    /webhookFailurePolicy[^]*proxy.uid/,
  );
});

/** The paths of a schema that values lack. */
function placesWithout(values: unknown, schema: Schema, root: Schema, path = ""): string[] {
  const own = schema.$ref ? root.definitions![schema.$ref.split("/").at(-1)!]! : schema;
  return Object.entries(own.properties ?? {}).flatMap(([key, inner]) => {
    const at = path === "" ? key : `${path}.${key}`;
    const map = values as Record<string, unknown>;
    // Not every service with a certificate is a webhook.
    if (key === "timeoutSeconds" || key === "failurePolicy") return [];
    return Object.hasOwn(map, key) ? placesWithout(map[key], inner, root, at) : [at];
  });
}
