// The kinds that a linkerd.yaml may name: plug-ins add to them, and the reference has them all.

import assert from "node:assert/strict";
import { test } from "node:test";
import { routed } from "../../test/support/linkerdyaml.ts";
import { readRouterConfig, settingsReference } from "./yaml.ts";
import { port, text } from "./yamlscalars.ts";
import { preset, required } from "./yamltypes.ts";

test("plug-ins add kinds, with their settings checked like all others", () => {
  const kinds = {
    namer: {
      "acme.etcd": {
        doc: "names in etcd",
        fields: { host: required(text, "etcd's host"), port: preset(port, 2379, "its port") },
      },
    },
  };
  const source =
    "namers: [{kind: acme.etcd, host: h, prefix: /etcd}]\n" + routed("  dtab: /svc => /#/etcd\n");
  const { config, diagnostics } = readRouterConfig(source, "l.yaml", { kinds });
  assert.deepEqual(diagnostics, []);
  assert.deepEqual({ ...config!.namers[0]! } as object, {
    kind: "acme.etcd",
    prefix: ["etcd"],
    experimental: false,
    transformers: [],
    host: "h",
    port: 2379,
  });
  const wrong = readRouterConfig("namers: [{kind: acme.etdc, host: h}]\n" + routed(""), "l.yaml", {
    kinds,
  });
  assert.match(wrong.diagnostics[0]!.hint!, /did you mean acme.etcd\?/);
});

test("the reference names every setting once, with its sentence", () => {
  const reference = settingsReference();
  const paths = reference.map((setting) => `${setting.path} ${setting.kind ?? ""}`);
  assert.equal(new Set(paths).size, paths.length);
  const tls = reference.find((setting) => setting.path === "routers[].client.tls.commonName");
  assert.match(tls!.doc, /SNI/);
  assert.ok(reference.every((setting) => setting.doc !== "" && setting.allowed !== ""));
});
