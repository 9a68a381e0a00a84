// How requests are named: every identifier, alone and one after the other.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backend, run, send, freePort } from "./run.ts";

const http = (identifier: string, port: number, more = "") => `
routers:
- protocol: http
  identifier: ${identifier}
  dtab: /svc => /$/inet/127.1/${port}
  ${more}
  servers: [{port: 0, ip: 127.0.0.1}]
`;

const CASES: readonly {
  identifier: string;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  host?: string;
  name?: string;
  url?: string;
  error?: string;
}[] = [
  { identifier: "{kind: io.l5d.methodAndHost}", host: "WWW.Web", name: "/svc/1.1/GET/www.web" },
  {
    identifier: "{kind: io.l5d.methodAndHost, httpUriInDst: true}",
    path: "/a/b?c",
    name: "/svc/1.1/GET/web/a/b",
  },
  { identifier: "{kind: io.l5d.path}", path: "/one/two?x", name: "/svc/one", url: "/one/two?x" },
  {
    identifier: "{kind: io.l5d.path, segments: 2, consume: true}",
    path: "/one/two/three?x",
    name: "/svc/one/two",
    url: "/three?x",
  },
  {
    identifier: "{kind: io.l5d.path, consume: true}",
    path: "/one?x",
    name: "/svc/one",
    url: "/?x",
  },
  {
    identifier: "{kind: io.l5d.path, segments: 2}",
    path: "/one",
    error: "not enough segments in path",
  },
  {
    identifier: "{kind: io.l5d.header}",
    headers: { "l5d-name": "/a/b" },
    name: "/svc/a/b",
  },
  { identifier: "{kind: io.l5d.header}", error: "l5d-name header is absent" },
  {
    identifier: "{kind: io.l5d.header}",
    headers: { "l5d-name": "" },
    error: "l5d-name header is absent",
  },
  { identifier: "{kind: io.l5d.header.token}", host: "Foo:8080", name: "/svc/Foo:8080" },
  {
    identifier: "{kind: io.l5d.header.token, header: my-header}",
    headers: { "my-header": "x y" },
    name: "/svc/x\\x20y",
  },
  { identifier: "{kind: io.l5d.header.token, header: no}", error: "no header is absent" },
  { identifier: "{kind: io.l5d.static, path: /fixed/name}", name: "/svc/fixed/name" },
  {
    identifier: "[{kind: io.l5d.header}, {kind: io.l5d.header.token}]",
    name: "/svc/web",
  },
  {
    identifier: "{kind: io.l5d.k8s.istio}",
    error: "the identifier io.l5d.k8s.istio needs Istio 0.x, which is no more",
  },
];

for (const { identifier, path = "/", headers = {}, host = "web", name, url, error } of CASES) {
  test(`${identifier} of ${path}`, async (t) => {
    const web = await backend(t, "web");
    const at = await run(t, http(identifier, web.port));
    const reply = await send(at.port(), path, { host, headers });
    if (name !== undefined) {
      assert.equal(reply.body, "web");
      assert.equal(web.seen[0]!.headers["l5d-dst-service"], name);
      if (url !== undefined) assert.equal(web.seen[0]!.url, url);
    } else {
      assert.equal(reply.status, 400);
      const told =
        /^Unknown destination: Request\("GET (.*)", from \/127\.0\.0\.1:\d+\) \/ (.*)$/.exec(
          reply.body,
        );
      assert.deepEqual([told?.[1], told?.[2]], [path, error]);
    }
  });
}

test("a synthetic status needs no backend", async (t) => {
  const at = await run(
    t,
    "routers: [{protocol: http, dtab: '/svc => /$/io.buoyant.http.status/418', servers: [{port: 0, ip: 127.0.0.1}]}]",
  );
  assert.equal((await send(at.port(), "/")).status, 418);
});

test("the identifier port tells the names and sends nothing (httpIdentifierPort)", async (t) => {
  const web = await backend(t, "web");
  const port = await freePort("127.0.0.100");
  const file = `admin: {ip: 127.0.0.100, port: 0, httpIdentifierPort: ${port}}\n`;
  await run(t, file + http("{kind: io.l5d.path}", web.port));
  const ask = (dtab: string) =>
    send(port, "/one/two", { ip: "127.0.0.100", headers: { "l5d-dtab": dtab } });
  const dtab = `/svc=>/$/inet/127.1/${web.port};/svc/one=>/svc/two`;
  const { body } = await ask("/svc/one => /svc/two ;");
  assert.deepEqual(JSON.parse(body), { http: { path: "/svc/one", dtab } });
  assert.equal((await ask("nonsense")).status, 400);
  assert.equal(web.seen.length, 0);
});
