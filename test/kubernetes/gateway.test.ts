// The mesh tests of the Gateway API's conformance suite, each as a test of its own. GATEWAY_CONFORMANCE_BIN is the
// compiled suite; docs/gateway-api.md says what the cluster must have.
// Needs: KUBECONFIG, GATEWAY_CONFORMANCE_BIN, kubectl.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { before, test } from "node:test";
import { kubectl } from "./cluster.ts";
import { installMesh } from "./mesh.ts";

const PROFILES = ["MESH-HTTP", "MESH-GRPC"];
const FEATURES = [
  "Mesh",
  "MeshClusterIPMatching",
  "MeshConsumerRoute",
  "MeshHTTPRouteBackendRequestHeaderModification",
  "MeshHTTPRouteNamedRouteRule",
  "MeshHTTPRouteQueryParamMatching",
  "MeshHTTPRouteRedirectPath",
  "MeshHTTPRouteRedirectPort",
  "MeshHTTPRouteRewritePath",
  "MeshHTTPRouteSchemeRedirect",
  "GRPCRoute",
  "HTTPRoute",
  "HTTPRoute303RedirectStatusCode",
  "HTTPRoute307RedirectStatusCode",
  "HTTPRoute308RedirectStatusCode",
  "HTTPRouteParentRefPort",
  "HTTPRouteResponseHeaderModification",
];
/** Those of the suite's tests for meshes that need no more than these features, in its version 1.6. */
const LEAST = 22;

before(async () => {
  const crds = await kubectl("get crds -o name");
  for (const plural of ["httproutes", "grpcroutes"])
    assert.ok(
      crds.includes(`/${plural}.gateway.networking.k8s.io\n`),
      `The cluster has no ${plural} of the Gateway API: apply its CRDs first (docs/gateway-api.md).`,
    );
  await installMesh();
});

test("the suite for meshes", async (t) => {
  const output = await suite(
    "-test.v",
    "-mesh-name=linkerd",
    "-allow-crds-mismatch",
    "-namespace-annotations=linkerd.io/inject=enabled",
    `-conformance-profiles=${PROFILES.join()}`,
    `-supported-features=${FEATURES.join()}`,
  );
  const results = [...output.matchAll(/^ {4}--- (PASS|FAIL): \w+\/(\w+)/gm)];
  assert.ok(results.length >= LEAST, `${results.length} tests ran\n${output.slice(-2000)}`);
  for (const [, result, name = ""] of results)
    await t.test(name, () => assert.equal(result, "PASS", told(output, name)));
});

// What it says and does; its exit code says no more than its lines.
function suite(...words: string[]): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: 900_000, maxBuffer: 256 << 20 };
    execFile(process.env["GATEWAY_CONFORMANCE_BIN"]!, words, options, (_, stdout, stderr) =>
      resolve(stdout + stderr),
    );
  });
}

// The end of what a test of the suite told while it ran.
function told(output: string, name: string): string {
  const parts = output.split(/^=== (?:RUN|CONT|NAME) +/m);
  return parts
    .filter((part) => part.startsWith(`TestConformance/${name}`))
    .join("")
    .slice(-4000);
}
