// linkerd.yaml: published configurations are read as they are meant.

import assert from "node:assert/strict";
import { test } from "node:test";
import { read, routed } from "../../test/support/linkerdyaml.ts";
import { printDtab } from "../name/dtab.ts";
import { parsePath, printPath } from "../name/path.ts";
import { policyFor } from "./yamlpolicy.ts";
import type { Router, RouterConfig } from "./yamlrouter.ts";

/** Reads a file that has nothing wrong with it. */
function good(source: string): RouterConfig {
  const { config, said } = read(source);
  assert.deepEqual(said, []);
  assert.ok(config);
  return config;
}

function httpRouter(source: string): Extract<Router, { protocol: "http" }> {
  const [router] = good(source).routers;
  assert.ok(router?.protocol === "http");
  return router;
}

test("the smallest file, all defaults filled in", () => {
  const config = good("routers: [{protocol: http, servers: [{}]}]");
  assert.deepEqual(
    [config.admin.ip, config.admin.port, config.admin.shutdownGraceMs],
    ["127.0.0.1", 9990, 10_000],
  );
  assert.deepEqual([config.namers, config.telemetry, config.usage], [[], [], undefined]);
  const [router] = config.routers;
  assert.ok(router?.protocol === "http" && router.client.kind === "io.l5d.global");
  assert.ok(router.service.kind === "io.l5d.global");
  const [server] = router.servers;
  assert.deepEqual([server?.ip, server?.port, server?.maxCallDepth], ["127.0.0.1", 4140, 1000]);
  assert.deepEqual(
    [router.label, printPath(router.dstPrefix), router.bindingTimeoutMs],
    ["http", "/svc", 10_000],
  );
  assert.deepEqual(router.identifier, [{ kind: "io.l5d.header.token", header: "Host" }]);
  assert.deepEqual(router.interpreter, { kind: "default", experimental: false, transformers: [] });
  assert.deepEqual(router.bindingCache, {
    paths: 1000,
    trees: 1000,
    bounds: 1000,
    clients: 1000,
    idleTtlSecs: 600,
  });
  assert.deepEqual(router.client.loadBalancer, {
    kind: "p2c",
    maxEffort: 5,
    enableProbation: false,
  });
  assert.deepEqual(router.client.failureAccrual, {
    kind: "io.l5d.consecutiveFailures",
    failures: 5,
    backoff: undefined,
  });
  assert.deepEqual(router.service.retries, {
    budget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlSecs: 10 },
    backoff: { kind: "constant", ms: 0 },
  });
  assert.deepEqual(router.service.responseClassifier, { kind: "io.l5d.http.nonRetryable5XX" });
  const ports = ["http", "h2", "thrift", "mux"].map((protocol) => {
    const [one] = good(`routers: [{protocol: ${protocol}, servers: [{}]}]`).routers;
    return one!.servers[0]!.port;
  });
  assert.deepEqual(ports, [4140, 4142, 4114, 4141]);
});

test("B1: any host to one backend", () => {
  const config = good(`
admin: {port: 9990, ip: 0.0.0.0}
routers:
- protocol: http
  dtab: "/svc/* => /$/inet/python/8080;"
  servers:
  - port: 4140
    ip: 0.0.0.0
`);
  assert.equal(config.admin.ip, "0.0.0.0");
  assert.equal(printDtab(config.routers[0]!.dtab), "/svc/*=>/$/inet/python/8080");
});

test("B6: the nginx cluster: files, accrual, retries, telemetry", () => {
  const config = good(`
admin: {port: 9990, ip: 0.0.0.0}
namers:
- kind: io.l5d.fs
  rootDir: disco
telemetry:
- kind: io.l5d.recentRequests
  sampleRate: 1.0
- kind: io.l5d.prometheus
- kind: io.l5d.zipkin
  host: zipkin
  port: 9410
  sampleRate: 1.0
routers:
- protocol: http
  httpAccessLog: access.log
  dtab: |
    /svc => /#/io.l5d.fs/nginx;
  client:
    failureAccrual:
      kind: io.l5d.consecutiveFailures
      failures: 2
      backoff: {kind: constant, ms: 15000}
  service:
    responseClassifier: {kind: io.l5d.http.retryableRead5XX}
    retries:
      budget: {minRetriesPerSec: 0, percentCanRetry: 2}
      backoff: {kind: constant, ms: 300}
  servers: [{port: 4140, ip: 0.0.0.0}]
`);
  const [router] = config.routers;
  assert.ok(router?.protocol === "http");
  const { settings: client } = policyFor(router.client, parsePath("/#/io.l5d.fs/nginx"));
  assert.deepEqual(client.failureAccrual, {
    kind: "io.l5d.consecutiveFailures",
    failures: 2,
    backoff: { kind: "constant", ms: 15_000 },
  });
  const { settings: service } = policyFor(router.service, parsePath("/svc/nginx"));
  assert.deepEqual(service.retries, {
    budget: { minRetriesPerSec: 0, percentCanRetry: 2, ttlSecs: 10 },
    backoff: { kind: "constant", ms: 300 },
  });
  assert.equal(router.httpAccessLog, "access.log");
  assert.deepEqual(
    config.telemetry.map((one) => one.kind),
    ["io.l5d.recentRequests", "io.l5d.prometheus", "io.l5d.zipkin"],
  );
});

test("B7: comments between the rules of a dtab without quotes", () => {
  const rules = "/svc/python=>/$/inet/python/8080;/svc/foo=>/$/inet/python/8080";
  const before = httpRouter(
    routed(
      "  dtab:\n    # /svc/old => /$/inet/old/1;\n    /svc/python => /$/inet/python/8080;\n    /svc/foo => /$/inet/python/8080;\n",
    ),
  );
  assert.equal(printDtab(before.dtab), rules);
  const between = read(
    routed(
      "  dtab: /svc/python => /$/inet/python/8080; # one\n    # none\n    /svc/foo => /$/inet/python/8080;  # two\n  label: x\n",
    ),
  );
  assert.equal(printDtab(between.config!.routers[0]!.dtab), rules);
  assert.match(between.said.join("\n"), /^l.yaml:4:45: warning: a comment .*\nl.yaml:5:5: warning/);
  const block = httpRouter(
    routed("  dtab: |\n    /svc => /a ; # one\n    # none\n    /a => /$/inet/h/1 ;\n"),
  );
  assert.equal(printDtab(block.dtab), "/svc=>/a;/a=>/$/inet/h/1");
});

test("B8, B9: every balancer and every accrual", () => {
  for (const kind of ["p2c", "ewma", "aperture", "heap", "roundRobin"]) {
    const { client } = httpRouter(
      routed(`  client: {loadBalancer: {kind: ${kind}, enableProbation: true}}\n`),
    );
    assert.ok(client.kind === "io.l5d.global" && client.loadBalancer.kind === kind);
  }
  for (const accrual of [
    "kind: io.l5d.consecutiveFailures, failures: 3",
    "kind: io.l5d.successRate, successRate: 0.9, requests: 20, backoff: {kind: constant, ms: 10000}",
    "kind: io.l5d.successRateWindowed, successRate: 0.9, window: 20, backoff: {kind: jittered, minMs: 10, maxMs: 20}",
    "kind: none",
  ]) {
    httpRouter(routed(`  client: {failFast: true, failureAccrual: {${accrual}}}\n`));
  }
});

test("C1b: clients by prefix, with captures; later entries override setting by setting", () => {
  const { client, service } = httpRouter(
    routed(`  dtab: /svc => /$/io.buoyant.rinet/443
  client:
    kind: io.l5d.static
    configs:
    - prefix: "/$/io.buoyant.rinet/443/{service}"
      tls: {commonName: "{service}", disableValidation: true}
      loadBalancer: {kind: heap}
    - prefix: "/%/io.l5d.k8s.daemonset"
      loadBalancer: {kind: ewma, maxEffort: 10, decayTimeMs: 30000}
    - prefix: /
      loadBalancer: {kind: roundRobin}
  service:
    kind: io.l5d.static
    configs:
    - prefix: /svc
      totalTimeoutMs: 500
      retries: {backoff: {kind: constant, ms: 7}}
    - prefix: /svc/{name}
      retries: {budget: {ttlSecs: 60}}
`),
  );
  const tls = policyFor(client, parsePath("/$/io.buoyant.rinet/443/example.com"));
  assert.deepEqual(tls.captures, { service: "example.com" });
  assert.deepEqual(
    [tls.settings.tls?.commonName, tls.settings.tls?.disableValidation],
    ["{service}", true],
  );
  assert.equal(tls.settings.loadBalancer.kind, "roundRobin");
  assert.equal(tls.settings.failFast, false);
  assert.equal(policyFor(client, parsePath("/#/x")).settings.tls, undefined);
  const web = policyFor(service, parsePath("/svc/web")).settings;
  assert.equal(web.totalTimeoutMs, 500);
  assert.deepEqual(web.retries, {
    budget: { minRetriesPerSec: 10, percentCanRetry: 0.2, ttlSecs: 60 },
    backoff: { kind: "constant", ms: 7 },
  });
  assert.equal(policyFor(service, parsePath("/svc")).settings.retries.budget.ttlSecs, 10);
});

test("D2: the routers of a service mesh on Kubernetes", () => {
  const config = good(`
namers:
- kind: io.l5d.k8s
- kind: io.l5d.k8s
  prefix: /io.l5d.k8s.h2
  transformers:
  - kind: io.l5d.k8s.daemonset
    namespace: default
    port: h2-incoming
    service: l5d
- kind: io.l5d.rewrite
  prefix: /portNsSvcToK8s
  pattern: "/{port}/{ns}/{svc}"
  name: "/k8s/{ns}/{port}/{svc}"
telemetry:
- kind: io.l5d.recentRequests
  sampleRate: 0.25
usage: {orgId: somebody}
routers:
- label: http-outgoing
  protocol: http
  servers: [{port: 4140, ip: 0.0.0.0}]
  dtab: |
    /ph        => /$/io.buoyant.rinet ;   # anything else: the internet
    /svc       => /ph/80 ;   # on port 80
    /svc       => /$/io.buoyant.porthostPfx/ph ;   # or on another
    /k8s       => /#/io.l5d.k8s ;
    /portNsSvc => /#/portNsSvcToK8s ;
    /host      => /portNsSvc/http/default ;
    /host      => /portNsSvc/http ;
    /svc       => /$/io.buoyant.http.domainToPathPfx/host ;
  interpreter:
    kind: default
    transformers:
    - kind: io.l5d.k8s.localnode
- label: grpc-outgoing
  protocol: h2
  servers: [{port: 4340, ip: 0.0.0.0}]
  identifier:
    kind: io.l5d.header.path
    segments: 1
  dtab: /svc => /#/io.l5d.k8s.h2/default/grpc
  service:
    responseClassifier: {kind: io.l5d.h2.grpc.default}
- label: http-ingress
  protocol: http
  servers: [{port: 4142, ip: 0.0.0.0, clearContext: true}]
  identifier: {kind: io.l5d.ingress}
  dtab: /svc => /#/io.l5d.k8s
`);
  assert.deepEqual(
    config.routers.map((router) => router.label),
    ["http-outgoing", "grpc-outgoing", "http-ingress"],
  );
});

test("values as people write them: numbers in quotes, JSON, anchors, a lone identifier or several", () => {
  assert.equal(
    good('routers: [{protocol: http, servers: [{port: "8080"}]}]').routers[0]!.servers[0]!.port,
    8080,
  );
  good('{"routers": [{"protocol": "http", "servers": [{"port": 8080}]}]}');
  const config = good(
    "routers:\n- &r {protocol: http, servers: [{port: 1}], identifier: [{kind: io.l5d.path}, {kind: io.l5d.header}]}\n",
  );
  const [router] = config.routers;
  assert.ok(router?.protocol === "http");
  assert.deepEqual(router.identifier, [
    { kind: "io.l5d.path", segments: 1, consume: false },
    { kind: "io.l5d.header", header: "l5d-name" },
  ]);
  const list = httpRouter(
    routed("  dtab:\n  - /svc => /host ; # one\n  # two\n  - /host => /$/inet/h/1\n"),
  );
  assert.equal(printDtab(list.dtab), "/svc=>/host;/host=>/$/inet/h/1");
});
