// Dtabs and naming, as published guides show them: what a name becomes, and where requests end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backend, eventually, run, send, tally } from "./run.ts";

const http = (dtab: string, more = "") => `
routers:
- protocol: http
  dtab: |
    ${dtab}
  ${more}
  servers: [{port: 0, ip: 127.0.0.1}]
`;

const FS = "namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]\n";

test("a name goes from rule to rule, and the answer says which way (A1)", async (t) => {
  const router = await run(
    t,
    http(
      "/meetup => /kschool; /kschool => /madrid/magallanes/1; /madrid => /spain/madrid;",
      "dstPrefix: /meetup",
    ),
  );
  const [one] = await router.json("/explain.json?url=http://goto/");
  const names = one.binding.steps.map((step: string) => step.split(" ")[0]);
  assert.deepEqual(names, [
    "/meetup/goto",
    "/kschool/goto",
    "/madrid/magallanes/1/goto",
    "/spain/madrid/magallanes/1/goto",
  ]);
  const { status, body, headers } = await send(router.port(), "/", { host: "goto" });
  assert.equal(status, 502);
  assert.match(
    body,
    /^Unable to route request!\n\nservice name: \/meetup\/goto\ndtab:\nbase dtab:\n/,
  );
  assert.match(
    body,
    /\/spain\/madrid\/magallanes\/1\/goto .*: no rule and no namer knows this name/,
  );
  assert.match(headers["l5d-err"] as string, /^Unable\+to\+route\+request/);
  const json = await send(router.port(), "/", {
    host: "goto",
    headers: { accept: "application/json" },
  });
  assert.equal(JSON.parse(json.body).tried.path, "/meetup/goto");
});

test("weights share requests, written before or after the path (A2)", async (t) => {
  const [one, five] = [await backend(t, "1"), await backend(t, "5")];
  const router = await run(
    t,
    http(
      `/kschool => /madrid/magallanes/1 * 0.9 & /madrid/sol/5 * 0.1;
    /meetup => /kschool;
    /svc => /meetup;
    /madrid/magallanes/1 => /$/inet/127.1/${one.port};
    /madrid/sol/5 => /$/inet/127.1/${five.port};`,
    ),
  );
  const counts = await tally(400, () => send(router.port(), "/", { host: "goto" }));
  assert.ok(counts["5"]! > 15 && counts["5"]! < 75, JSON.stringify(counts));
  const tree = await router.json(
    "/delegator.json?namespace=http&path=/m&dtab=/m%20%3D%3E%200.9*/$/inet/1%20%26%200.1*/$/inet/2",
  );
  const weights = tree.union.map(({ weight }: { weight: number }) => weight);
  assert.deepEqual(weights, [0.9, 0.1]);
});

test("a name may be an address (A3), and the backend is told the names (A5)", async (t) => {
  const web = await backend(t, "web");
  const router = await run(t, http(`/svc/local => /$/inet/127.0.0.1/${web.port}`));
  const { status, body, headers } = await send(router.port(), "/hello", { host: "local" });
  assert.deepEqual([status, body], [200, "web"]);
  assert.equal(headers["via"], "1.1 linkerd");
  assert.equal(headers["l5d-success-class"], "1.0");
  const sent = web.seen[0]!.headers as Record<string, string>;
  assert.equal(sent["l5d-dst-service"], "/svc/local");
  assert.equal(sent["l5d-dst-client"], `/$/inet/127.0.0.1/${web.port}`);
  assert.match(sent["l5d-reqid"]!, /^[0-9a-f]{16}$/);
  assert.equal(Buffer.from(sent["l5d-ctx-trace"]!, "base64").length, 32);
  assert.equal(sent["l5d-dst-residual"], undefined);
});

test("weights in a namer's file share requests (A4)", async (t) => {
  const [light, heavy] = [await backend(t, "light"), await backend(t, "heavy")];
  const router = await run(t, FS + http("/svc => /#/io.l5d.fs;"), {
    "disco/web": `${light.line}\n${heavy.line} * 2.0\n`,
  });
  const counts = await tally(600, () => send(router.port(), "/"));
  assert.ok(counts["heavy"]! > 340 && counts["heavy"]! < 460, JSON.stringify(counts));
});

test("what no namer serves is told with every step (A6)", async (t) => {
  const router = await run(
    t,
    http("/env => /#/io.l5d.serversets/discovery;\n    /svc => /env/prod;"),
  );
  const { body } = await send(router.port(), "/", { host: "users" });
  assert.match(
    body,
    /\/svc\/users\n\s+\/env\/prod\/users .*\n\s+\/#\/io.l5d.serversets\/discovery\/prod\/users/,
  );
});

test("a request is explained in four steps (A7)", async (t) => {
  const web = await backend(t, "web");
  const router = await run(t, FS + http("/svc => /#/io.l5d.fs;"), { "disco/web": web.line });
  const [one] = await router.json("/explain.json?url=http://web/path&method=GET");
  assert.equal(one.identification.name, "/svc/web");
  assert.equal(one.binding.outcome, "bound");
  assert.deepEqual(one.resolution[0].addresses, [`127.0.0.1:${web.port}`]);
  assert.equal(one.balancing[0].settings.loadBalancer, "p2c");
});

test("every Host may have one file, which may change at any time (B2)", async (t) => {
  const [a, b] = [await backend(t, "a"), await backend(t, "b")];
  const router = await run(t, FS + http("/svc => /#/io.l5d.fs/nginx;"), {
    "disco/nginx": `${a.line}\n`,
  });
  assert.equal((await send(router.port(), "/", { host: "anything" })).body, "a");
  assert.equal(a.seen[0]!.headers["l5d-dst-residual"], "/anything");
  router.write("disco/nginx", `${b.line}\n`);
  await eventually(async () => (await send(router.port(), "/")).body === "b");
});

test("a comment in a dtab without quotes is no end of it (B7)", async (t) => {
  const web = await backend(t, "python");
  const router = await run(
    t,
    `
routers:
- protocol: http
  dtab:
    # all names
    /svc/python => /$/inet/127.1/${web.port}; # the first
    /svc/foo => /$/inet/127.1/${web.port};
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  assert.equal((await send(router.port(), "/", { host: "python" })).body, "python");
  assert.equal((await send(router.port(), "/", { host: "foo" })).body, "python");
  const other = await send(router.port(), "/", { host: "other" });
  assert.equal(other.status, 502);
  assert.match(other.body, /^Unable to route request!/);
});

test("an alternative is taken when the first has no such name, not when its hosts are down", async (t) => {
  const web = await backend(t, "fallback");
  const router = await run(
    t,
    FS + http(`/svc => /#/io.l5d.fs | /fall; /fall/* => /$/inet/127.1/${web.port};`),
    { "disco/down": "127.0.0.1 1\n", "disco/empty": "" },
  );
  assert.equal((await send(router.port(), "/", { host: "absent" })).body, "fallback");
  assert.equal((await send(router.port(), "/", { host: "down" })).status, 502);
  const empty = await send(router.port(), "/", { host: "empty" });
  assert.match(empty.body, /^Unable to route request!/);
});

test("the rules of the upgrade slides lead where they should (C2)", async (t) => {
  const [ledger, legacy] = [await backend(t, "ledger"), await backend(t, "legacy")];
  const router = await run(
    t,
    `
namers:
- {kind: io.l5d.fs, prefix: /k8sIncoming, rootDir: DIR/disco}
- kind: io.l5d.rewrite
  prefix: /portNsSvcToK8s
  pattern: "/{port}/{ns}/{svc}"
  name: "/k8s/{ns}/{port}/{svc}"
routers:
- protocol: http
  dtab: |
    /ph => /$/io.buoyant.rinet ;
    /svc => /ph/443 ;
    /svc/169.254.169.254 => /ph/80/169.254.169.254 ;
    /svc => /$/io.buoyant.porthostPfx/ph ;
    /k8s => /#/k8sIncoming ;
    /portNsSvc => /#/portNsSvcToK8s ;
    /host => /$/io.buoyant.porthostPfx/portNsSvc ;
    /host => /portNsSvc/http/default ;
    /host => /portNsSvc/http ;
    /svc => /$/io.buoyant.hostportPfx/legacy ;
    /svc => /$/io.buoyant.http.domainToPathPfx/host ;
    /legacy/old => /$/inet/127.1 ;
  servers: [{port: 0, ip: 127.0.0.1}]
`,
    { "disco/default/http/ledger": ledger.line, "disco/prod/http/ledger": ledger.line },
  );
  const at = (host: string) => send(router.port(), "/", { host });
  assert.equal((await at("ledger")).body, "ledger");
  assert.equal((await at("ledger.prod")).body, "ledger");
  assert.equal((await at(`old:${legacy.port}`)).body, "legacy");
  assert.equal(ledger.seen[1]!.headers["l5d-dst-client"], "/#/k8sIncoming/prod/http/ledger");
});
