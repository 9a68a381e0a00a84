// The identifier of Ingress resources, with an API server that speaks as `kubectl proxy` does: lists, watches, and goes
// away.

import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { backend, eventually, run, send } from "./run.ts";

type Ingress = { readonly metadata: { readonly name: string } };

/** An API server of Ingress resources. */
async function apiServer(t: TestContext, items: readonly Ingress[]) {
  const watches = new Set<http.ServerResponse>();
  const asked: string[] = [];
  const server = http.createServer((req, rsp) => {
    asked.push(req.url!);
    rsp.setHeader("content-type", "application/json");
    if (!req.url!.includes("watch=1")) {
      rsp.end(JSON.stringify({ metadata: { resourceVersion: "1" }, items }));
      return;
    }
    rsp.flushHeaders();
    watches.add(rsp);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  t.after(close);
  const tell = (type: string, object: Ingress): void => {
    for (const rsp of watches) rsp.write(`${JSON.stringify({ type, object })}\n`);
  };
  return { port: (server.address() as AddressInfo).port, asked, watches, tell, close };
}

const backendOf = (name: string, port: object) => ({ service: { name, port } });

function ingress(name: string, spec: object, more: object = {}): Ingress {
  const annotations = { "kubernetes.io/ingress.class": "linkerd" };
  const metadata = { name, namespace: "shop", resourceVersion: "2", annotations, ...more };
  return { metadata, spec } as Ingress;
}

const WORLD = ingress("world", {
  defaultBackend: backendOf("world-v1", { name: "http" }),
  rules: [
    {
      host: "world.v2",
      http: { paths: [{ backend: backendOf("world-v2", { name: "http" }) }] },
    },
    {
      http: {
        paths: [
          {
            path: "/a.*",
            pathType: "ImplementationSpecific",
            backend: backendOf("a", { number: 80 }),
          },
          { path: "/b", pathType: "Prefix", backend: backendOf("b", { number: 80 }) },
          { path: "/c", pathType: "Exact", backend: backendOf("c", { number: 80 }) },
        ],
      },
    },
  ],
});
const OTHERS = ingress(
  "others",
  { rules: [{ http: { paths: [{ backend: backendOf("others", { number: 1 }) }] } }] },
  { annotations: { "kubernetes.io/ingress.class": "nginx" } },
);

const NAMES: readonly (readonly [host: string, path: string, name: string])[] = [
  ["any", "/", "/svc/shop/http/world-v1"],
  ["World.V2:8080", "/", "/svc/shop/http/world-v2"],
  ["any", "/abc?q=/b", "/svc/shop/80/a"],
  ["any", "/b/x", "/svc/shop/80/b"],
  ["any", "/bx", "/svc/shop/http/world-v1"],
  ["any", "/c", "/svc/shop/80/c"],
  ["any", "/c/d", "/svc/shop/http/world-v1"],
];

for (const [protocol, label] of [
  ["http", "edge"],
  ["h2", "edge2"],
] as const) {
  test(`D7: ${protocol} requests are named by Ingress resources, which may change`, async (t) => {
    const api = await apiServer(t, [WORLD, OTHERS]);
    const web = await backend(t, "web");
    const at = await run(
      t,
      `routers:
- protocol: ${protocol}
  label: ${label}
  identifier: {kind: io.l5d.ingress, host: 127.0.0.1, port: ${api.port}, namespace: shop}
  dtab: /svc/*/* => /$/inet/127.0.0.1/${web.port}
  servers: [{port: 0, ip: 127.0.0.1, clearContext: true}]
`,
    );
    const named = async (host: string, path: string): Promise<string> =>
      (await at.json(`/explain.json?url=http://${host}${encodeURIComponent(path)}`))[0]
        .identification.name;
    for (const [host, path, name] of NAMES) assert.equal(await named(host, path), name);
    assert.match(api.asked[0]!, /^\/apis\/networking\.k8s\.io\/v1\/namespaces\/shop\/ingresses\?/);
    if (protocol === "http") {
      assert.equal((await send(at.port(label), "/", { host: "any" })).body, "web");
      assert.equal(web.seen[0]!.headers["l5d-dst-service"], "/svc/shop/http/world-v1");
    }
    await eventually(() => api.watches.size === 1);
    api.tell("DELETED", WORLD);
    await eventually(async () => (await named("any", "/")) === undefined);
    api.tell("ADDED", WORLD);
    await eventually(async () => (await named("any", "/")) === "/svc/shop/http/world-v1");
    api.close();
    assert.equal(await named("any", "/"), "/svc/shop/http/world-v1", "what was known stays known");
  });
}

test("without Kubernetes, a request is told why it has no name", async (t) => {
  const at = await run(
    t,
    `routers:
- protocol: http
  identifier: {kind: io.l5d.ingress, host: 127.0.0.1, port: 1}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  const { status, body } = await send(at.port(), "/");
  assert.equal(status, 400);
  assert.match(
    body,
    /the Ingress resources are not known yet: the API server http:\/\/127\.0\.0\.1:1/,
  );
});
