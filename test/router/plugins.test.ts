// Plug-ins: every category, from the modules of the examples, and modules that are wrong.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { backend, run, send, tally } from "./run.ts";

const MODULES = join(import.meta.dirname, "../../examples/router/plugins");
const plugins = (...names: string[]): string =>
  `plugins: [${names.map((name) => `${MODULES}/${name}.ts`).join(", ")}]\n`;

test("a namer of one's own, whose answers may be negative", async (t) => {
  const web = await backend(t, "web");
  process.env["PLUGIN_ADDRESSES"] = `127.0.0.1:${web.port}`;
  t.after(() => delete process.env["PLUGIN_ADDRESSES"]);
  const at = await run(
    t,
    `${plugins("namer")}
namers: [{kind: example.env, prefix: /env}]
routers: [{protocol: http, dtab: "/svc => /#/env", servers: [{port: 0, ip: 127.0.0.1}]}]
`,
  );
  assert.equal((await send(at.port(), "/", { host: "plugin" })).body, "web");
  assert.equal(web.seen[0]!.headers["l5d-dst-client"], "/#/env/plugin");
  assert.equal((await send(at.port(), "/", { host: "nobody" })).status, 502);
});

test("an identifier and a filter of one's own", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    `${plugins("identifier", "filter")}
routers:
- protocol: http
  filters: [{kind: example.keys, keys: [sesame=alibaba]}]
  identifier: {kind: example.cookie}
  dtab: /svc => /$/inet/127.1/${web.port}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  const refused = await send(at.port(), "/");
  assert.deepEqual([refused.status, refused.body], [401, "this router wants a known x-api-key"]);
  const headers = { "x-api-key": "sesame", cookie: "a=b; version=next" };
  await send(at.port(), "/", { headers });
  const sent = web.seen[0]!.headers;
  assert.deepEqual(
    [sent["l5d-dst-service"], sent["x-client"], sent["x-api-key"]],
    ["/svc/next/web", "alibaba", undefined],
  );
});

test("an interpreter of one's own", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    `${plugins("interpreter")}
routers:
- protocol: http
  interpreter: {kind: example.maintenance, file: DIR/closed, page: /$/io.buoyant.http.status/418}
  dtab: /svc => /$/inet/127.1/${web.port}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    { closed: "" },
  );
  assert.equal((await send(at.port(), "/")).status, 418);
});

test("transformers stand behind an interpreter of one's own too", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    `${plugins("interpreter")}
routers:
- protocol: http
  interpreter:
    kind: example.maintenance
    file: DIR/nothing
    page: /$/fail
    transformers: [{kind: io.l5d.port, port: ${web.port}}]
  dtab: /svc => /$/inet/127.1/1
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  assert.equal((await send(at.port(), "/")).body, "web");
  assert.equal(web.seen[0]!.headers["l5d-dst-client"], `/%/io.l5d.port/${web.port}/$/inet/127.1/1`);
});

test("a classifier, a balancer, an accrual and a telemeter of one's own", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const at = await run(
    t,
    `${plugins("classifier", "balancer", "accrual", "telemeter")}
namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]
telemetry: [{kind: example.slow}]
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  service: {responseClassifier: {kind: example.strict}}
  client: {loadBalancer: {kind: example.first}, failureAccrual: {kind: example.either}}
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    { "disco/web": `${a.line}\n${b.line}\n` },
  );
  const lost = await send(at.port(), "/status/404");
  assert.deepEqual([lost.headers["l5d-success-class"], a.seen.length], ["0.0", 1]);
  await send(at.port(), "/status/404");
  // Two failures in a row: now the second is the first that is open.
  assert.deepEqual(await tally(3, () => send(at.port(), "/")), { b: 3 });
  await send(at.port(), "/status/503");
  assert.ok(b.seen.length > 4, "503 was tried again");
});

test("settings of plug-ins are checked as all others are", async (t) => {
  const file = `${plugins("telemeter")}
telemetry: [{kind: example.slow, afterMS: 3}]
routers: [{protocol: http, servers: [{port: 0, ip: 127.0.0.1}]}]
`;
  await assert.rejects(
    run(t, file),
    /telemetry\[0\]: .*Unrecognized field "afterMS" .*afterMs|afterMS: .*did you mean afterMs/,
  );
});

test("a module that is none is told by its name", async (t) => {
  const file = (name: string) =>
    `plugins: [${name}]\nrouters: [{protocol: http, servers: [{port: 0, ip: 127.0.0.1}]}]\n`;
  await assert.rejects(run(t, file("./nowhere.js")), /plug-in \.\/nowhere\.js: Cannot find module/);
  await assert.rejects(
    run(t, file("./empty.js"), { "empty.js": "export const x = 1;" }),
    /plug-in \.\/empty\.js: it must export a function `plugin`/,
  );
  await assert.rejects(
    run(t, file("./bad.js"), {
      "bad.js": 'export const plugin = () => { throw new Error("no"); };',
    }),
    /plug-in \.\/bad\.js: no/,
  );
});

test("kinds that nobody could choose are refused", async (t) => {
  const file = (...names: string[]) =>
    `plugins: [${names.join(", ")}]\nrouters: [{protocol: http, servers: [{port: 0, ip: 127.0.0.1}]}]\n`;
  const kinds = (category: string, kind: string, one = "{doc: '', bind: () => {}}") =>
    `export const plugin = () => ({ ${category}: { "${kind}": ${one} } });`;
  const files = {
    "unknown.js": kinds("identifier", "mine"),
    "builtin.js": kinds("telemeter", "io.l5d.zipkin"),
    "unserved.js": kinds("namer", "io.l5d.consul"),
    "one.js": kinds("filter", "mine"),
    "two.js": kinds("filter", "mine"),
    "unbound.js": kinds("filter", "mine", "{doc: ''}"),
  };
  await assert.rejects(
    run(t, file("./unknown.js"), files),
    /plug-in \.\/unknown\.js: there is no category identifier: one of .*httpIdentifier, h2Identifier/,
  );
  await assert.rejects(
    run(t, file("./builtin.js"), files),
    /plug-in \.\/builtin\.js: telemeter io\.l5d\.zipkin is built in/,
  );
  await assert.rejects(
    run(t, file("./one.js", "./two.js"), files),
    /plug-in \.\/two\.js: filter mine is there already/,
  );
  await assert.rejects(run(t, file("./unbound.js"), files), /filter mine has no function `bind`/);
  // What this build cannot serve, a plug-in may.
  await run(t, file("./unserved.js"), files);
});
