// Our own reading of the charts against Helm's: for the same values both must say the same objects.
// Needs: helm.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse, parseAllDocuments, stringify } from "yaml";
import { renderChart, type Json } from "../../src/cli/chart.ts";
import type { RawObject } from "../../src/control/manifest.ts";

const CHARTS = join(import.meta.dirname, "../../charts");
const tls = { crtPEM: "crt", keyPEM: "key", caBundle: "bundle" };
const needed: Json = {
  identityTrustAnchorsPEM: "first line\nsecond line\n",
  identity: { issuer: { tls: { crtPEM: "crt", keyPEM: "key" } } },
  proxyInjector: tls,
  profileValidator: tls,
  policyValidator: tls,
};

const cases: readonly [string, string, Json][] = [
  ["linkerd-crds", "defaults", {}],
  ["linkerd-crds", "without routes", { enableHttpRoutes: false }],
  ["linkerd2-cni", "defaults", {}],
  [
    "linkerd2-cni",
    "everything",
    {
      repairController: { enabled: true, resources: { limits: { memory: "100Mi" } } },
      resources: { limits: { memory: "100Mi" } },
      imagePullSecrets: [{ name: "secret" }],
      priorityClassName: "high",
      podLabels: { pod: "b" },
      commonLabels: { team: "a" },
      privileged: true,
    },
  ],
  ["linkerd-viz", "defaults", { tap: tls, tapInjector: tls }],
  [
    "linkerd-viz",
    "everything",
    {
      tap: tls,
      tapInjector: { externalSecret: true, caBundle: "bundle" },
      replicas: 2,
      enablePodAntiAffinity: true,
      enablePodDisruptionBudget: true,
      prometheus: {
        enabled: true,
        scrapeConfigs: [{ job_name: "mine" }],
        remoteWrite: [{ url: "http://far" }],
        resources: { limits: { memory: "1Gi" } },
      },
      dashboard: { restrictPrivileges: true, enforcedHostRegexp: "mesh\\.example(:\\d+)?" },
      tolerations: [{ key: "a", operator: "Exists" }],
      commonLabels: { a: "b" },
    },
  ],
  [
    "linkerd-viz",
    "a Prometheus elsewhere",
    { tap: tls, tapInjector: tls, prometheusUrl: "http://a:9090" },
  ],
  ["linkerd-multicluster", "defaults", {}],
  [
    "linkerd-multicluster",
    "everything",
    {
      enablePodAntiAffinity: true,
      enableNamespaceCreation: true,
      commonLabels: { a: "b" },
      tolerations: [{ key: "a", operator: "Exists" }],
      imagePullSecrets: [{ name: "secret" }],
      gateway: {
        nodePort: 30_001,
        probe: { nodePort: 30_002 },
        serviceExternalTrafficPolicy: "Local",
        loadBalancerSourceRanges: ["10.0.0.0/8"],
        serviceAnnotations: { a: "b" },
        deploymentAnnotations: { a: "b" },
        pauseImage: "pause:1",
      },
      controllers: [
        { link: { ref: { name: "east" } } },
        {
          link: { ref: { name: "west" } },
          replicas: 2,
          logLevel: "debug",
          enableHeadlessServices: true,
          resources: { limits: { memory: "1Gi" } },
        },
      ],
    },
  ],
  ["linkerd-control-plane", "defaults", needed],
  [
    "linkerd-control-plane",
    "everything",
    {
      ...needed,
      controllerReplicas: 3,
      controllerGID: 7,
      enablePodAntiAffinity: true,
      enablePodDisruptionBudget: true,
      webhookFailurePolicy: "Fail",
      commonLabels: { team: "a" },
      podLabels: { pod: "b" },
      podAnnotations: { note: "c" },
      tolerations: [{ key: "a", operator: "Exists" }],
      imagePullSecrets: [{ name: "secret" }],
      priorityClassName: "high",
      proxy: { additionalEnv: [{ name: "A", value: "b" }] },
      proxyInjector: {
        externalSecret: true,
        injectCaFrom: "mesh/linkerd-proxy-injector",
        objectSelector: { matchLabels: { mesh: "here" } },
      },
      policyValidator: { externalSecret: true, injectCaFromSecret: "mesh/ca" },
      destinationController: { additionalArgs: ["-ext-endpoint-zone-weights"] },
    },
  ],
];

for (const [chart, name, values] of cases) {
  test(`${chart}, ${name}: as Helm renders it`, (t) => {
    const dir = mkdtempSync(join(tmpdir(), "helm-"));
    t.after(() => rmSync(dir, { recursive: true }));
    writeFileSync(join(dir, "values.yaml"), stringify(values));
    const words = [
      "template",
      chart,
      join(CHARTS, chart),
      "-n",
      "mesh",
      "--kube-version",
      "1.34.0",
    ];
    const text = execFileSync("helm", [...words, "-f", join(dir, "values.yaml")], {
      encoding: "utf8",
    });
    const theirs = parseAllDocuments(text).flatMap((document): RawObject[] =>
      [document.toJS() as RawObject | null].filter((o) => o !== null),
    );
    // Helm is told the namespace and makes it itself.
    const ours = renderChart(chart, "mesh", values).filter(({ kind }) => kind !== "Namespace");
    assert.deepEqual(byName(ours), byName(theirs));
  });
}

function byName(objects: readonly RawObject[]): Record<string, unknown> {
  return Object.fromEntries(
    objects.map((object) => [`${object.kind} ${object.metadata?.name}`, withValues(object)]),
  );
}

// The values inside the ConfigMap are text, of which the layout may differ.
function withValues(object: RawObject): unknown {
  const data = object["data"] as { values?: string } | undefined;
  return data?.values === undefined ? object : { ...object, data: parse(data.values) as unknown };
}
