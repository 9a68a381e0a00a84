// The context that requests carry between routers, and what servers at the edge do with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFileSync } from "node:fs";
import { backend, eventually, run, send } from "./run.ts";

const FS = "namers: [{kind: io.l5d.fs, rootDir: DIR/disco}]\n";

const http = (server: string, more = "", dtab = "/svc => /#/io.l5d.fs") => `${FS}
routers:
- protocol: http
  dtab: ${dtab}
  ${more.trim().replaceAll("\n", "\n  ")}
  servers:
  - port: 0
    ip: 127.0.0.1
    ${server.trim().replaceAll("\n", "\n    ")}
`;

test("a request's own rules win, and go on to the next hop (B10, D10)", async (t) => {
  const [v1, v2] = [await backend(t, "v1"), await backend(t, "v2")];
  const at = await run(
    t,
    http("", "", "/host => /#/io.l5d.fs; /svc => /host; /host/world => /host/world-v1"),
    {
      "disco/world-v1": v1.line,
      "disco/world-v2": v2.line,
    },
  );
  const plain = await send(at.port(), "/", { host: "world" });
  assert.equal(plain.body, "v1");
  const headers = { "l5d-dtab": "/host/world => /host/world-v2" };
  assert.equal((await send(at.port(), "/", { host: "world", headers })).body, "v2");
  const sent = v2.seen[0]!.headers;
  assert.equal(sent["l5d-dtab"], undefined);
  assert.equal(sent["l5d-ctx-dtab"], "/host/world=>/host/world-v2");
  // What an application copies to the requests that it makes itself.
  const second = { "l5d-ctx-dtab": sent["l5d-ctx-dtab"] as string };
  assert.equal((await send(at.port(), "/", { host: "world", headers: second })).body, "v2");
});

test("each field is a dtab of its own, and may end as dtabs do", async (t) => {
  const [v1, v2] = [await backend(t, "v1"), await backend(t, "v2")];
  const at = await run(t, http(""), { "disco/v1": v1.line, "disco/v2": v2.line });
  const headers = {
    "l5d-ctx-dtab": "/svc/web => /svc/v1 ;",
    "l5d-dtab": ["/svc/v1 => /here ; # of a test", "/here => /svc/v2 ;"],
  };
  assert.equal((await send(at.port(), "/", { headers })).body, "v2");
  assert.equal(
    v2.seen[0]!.headers["l5d-ctx-dtab"],
    "/svc/web=>/svc/v1;/svc/v1=>/here;/here=>/svc/v2",
  );
});

test("a dtab that cannot be read is refused with its mistake", async (t) => {
  const at = await run(t, http(""), { "disco/web": "127.0.0.1 1" });
  const { status, body, headers } = await send(at.port(), "/", {
    headers: { "l5d-dtab": "/host => nowhere" },
  });
  assert.equal(status, 400);
  assert.match(body, /expected but 'n' found at '\/host => \[n\]owhere'/);
  assert.match(headers["l5d-err"] as string, /expected/);
});

test("hops of one trace share its id, and each has a span of its own (D6)", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, http(""), { "disco/web": web.line });
  await send(at.port(), "/");
  const first = web.seen[0]!.headers["l5d-ctx-trace"] as string;
  await send(at.port(), "/", { headers: { "l5d-ctx-trace": first } });
  const bytes = web.seen.map(({ headers }) =>
    Buffer.from(headers["l5d-ctx-trace"] as string, "base64").toString("hex"),
  );
  const [one, two] = bytes as [string, string];
  assert.equal(one.slice(32, 48), two.slice(32, 48), "trace");
  assert.equal(two.slice(16, 32), one.slice(0, 16), "parent");
  assert.notEqual(one.slice(0, 16), two.slice(0, 16));
  assert.equal(web.seen[0]!.headers["l5d-reqid"], web.seen[1]!.headers["l5d-reqid"]);
});

test("l5d-sample decides, and other propagators speak their own words", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, http("", "tracePropagator: {kind: io.l5d.zipkin}"), {
    "disco/web": web.line,
  });
  const headers = {
    "x-b3-traceid": "463ac35c9f6413ad",
    "x-b3-spanid": "a2fb4a1d1a96d312",
    "x-b3-sampled": "1",
    "l5d-sample": "0",
  };
  await send(at.port(), "/", { headers });
  const sent = web.seen[0]!.headers;
  assert.equal(sent["x-b3-traceid"], "463ac35c9f6413ad");
  assert.notEqual(sent["x-b3-spanid"], "a2fb4a1d1a96d312");
  assert.equal(sent["x-b3-sampled"], "0");
  assert.deepEqual(
    [sent["l5d-ctx-trace"], sent["l5d-reqid"], sent["l5d-sample"]],
    [undefined, undefined, undefined],
  );
  const w3c = await run(t, http("", "tracePropagator: {kind: io.l5d.w3c}"), {
    "disco/web": web.line,
  });
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  await send(w3c.port(), "/", { headers: { traceparent } });
  assert.match(
    web.seen[1]!.headers["traceparent"] as string,
    /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad)[0-9a-f]{16}-01$/,
  );
});

test("of several deadlines, the earliest goes on", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, http(""), { "disco/web": web.line });
  const headers = { "l5d-ctx-deadline": ["100 900", "200 800", "nonsense"] };
  await send(at.port(), "/", { headers });
  assert.equal(web.seen[0]!.headers["l5d-ctx-deadline"], "200 800");
});

test("a server at the edge neither reads nor tells anything of the mesh", async (t) => {
  const [web, other] = [await backend(t, "web"), await backend(t, "other")];
  const at = await run(t, http("clearContext: true"), {
    "disco/web": web.line,
    "disco/other": other.line,
  });
  const reply = await send(at.port(), "/", {
    headers: { "l5d-dtab": "/svc => /#/io.l5d.fs/other", "l5d-sample": "1", "l5d-any": "1" },
  });
  assert.equal(reply.body, "web");
  assert.deepEqual(
    Object.keys(reply.headers).filter((name) => name.startsWith("l5d-")),
    [],
  );
  const sent = web.seen[0]!.headers;
  assert.deepEqual([sent["l5d-any"], sent["l5d-dst-service"]], [undefined, "/svc/web"]);
  const lost = await send(at.port(), "/", { host: "lost" });
  assert.deepEqual([lost.status, lost.body, lost.headers["l5d-err"]], [502, "", undefined]);
});

test("an error of the next proxy loses its text there, and its encoding with it", async (t) => {
  const next = await backend(t, "next", (_, rsp) => {
    rsp.writeHead(502, { "l5d-err": "secret", "content-encoding": "gzip" });
    rsp.end("packed");
  });
  const at = await run(t, http("clearContext: true"), { "disco/web": next.line });
  const { status, body, headers } = await send(at.port(), "/");
  assert.deepEqual([status, body], [502, ""]);
  assert.deepEqual([headers["l5d-err"], headers["content-encoding"]], [undefined, undefined]);
});

test("a request that has passed too many proxies is refused", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, http("maxCallDepth: 2"), { "disco/web": web.line });
  const via = { via: "1.1 a, 1.1 linkerd" };
  assert.equal((await send(at.port(), "/", { headers: via })).status, 200);
  assert.equal(web.seen[0]!.headers["via"], "1.1 a, 1.1 linkerd, 1.1 linkerd");
  const { status, body } = await send(at.port(), "/", { headers: { via: "1.1 a, 1.1 b, 1.1 c" } });
  assert.equal(status, 400);
  assert.equal(
    body,
    "Maximum number of calls (2) has been exceeded. Please check for proxy loops.",
  );
});

test("servers add Forwarded and a timestamp where their file says so", async (t) => {
  const web = await backend(t, "web");
  const at = await run(
    t,
    http(
      "timestampHeader: x-request-start\naddForwardedHeader: {by: {kind: static, label: edge}, for: {kind: ip}}",
    ),
    { "disco/web": web.line },
  );
  const before = Date.now();
  await send(at.port(), "/");
  const sent = web.seen[0]!.headers;
  assert.equal(sent["forwarded"], "by=_edge;for=127.0.0.1;host=web");
  assert.ok(Math.abs(Number(sent["x-request-start"]) - before) < 1000);
});

test("what a client says of its certificate goes no further", async (t) => {
  const web = await backend(t, "web");
  const at = await run(t, http(""), { "disco/web": web.line });
  await send(at.port(), "/", {
    headers: { "x-forwarded-client-cert": "Hash=1", "proxy-authorization": "Basic x" },
  });
  const sent = web.seen[0]!.headers;
  assert.deepEqual(
    [sent["x-forwarded-client-cert"], sent["proxy-authorization"]],
    [undefined, undefined],
  );
});

test("TRACE tells what each router made of it", async (t) => {
  const web = await backend(t, "web", (_, rsp) => {
    rsp.setHeader("content-length", "4");
    rsp.end("app\n");
  });
  const at = await run(t, http(""), { "disco/web": web.line });
  const headers = { "l5d-add-context": "true" };
  const { body } = await send(at.port(), "/", { method: "TRACE", headers });
  assert.match(
    body,
    /^app\n\n--- Router: http ---\nrequest duration: \d+ ms\nservice name: \/svc\/web\nclient name: \/#\/io\.l5d\.fs\/web\naddresses: \[127\.0\.0\.1:\d+\]\nselected address: 127\.0\.0\.1:\d+\ndtab resolution:\n {2}\/svc\/web\n {2}\/#\/io\.l5d\.fs\/web \(\/svc=>\/#\/io\.l5d\.fs\)/,
  );
  const here = await send(at.port(), "/", {
    method: "TRACE",
    headers: { ...headers, "max-forwards": "0" },
  });
  assert.match(here.body, /^--- Router: http ---/);
  assert.equal(web.seen.length, 1);
  const counted = async (left: string) =>
    (await send(at.port(), "/", { method: "TRACE", headers: { "max-forwards": left } })).body;
  assert.deepEqual([await counted("2"), await counted("0")], ["app\n", ""]);
  assert.deepEqual([web.seen.length, web.seen[1]!.headers["max-forwards"]], [2, "1"]);
  const wrong = await send(at.port(), "/", {
    method: "TRACE",
    headers: { ...headers, "max-forwards": "x" },
  });
  assert.deepEqual([wrong.status, wrong.body], [400, "Invalid value for Max-Forwards header"]);
});

test("requests in the absolute form go where it says, whatever Host says (B6, C3)", async (t) => {
  const nginx = await backend(t, "nginx");
  const at = await run(t, http("", "httpAccessLog: DIR/access.log"), { "disco/nginx": nginx.line });
  const { status } = await send(at.port(), "http://nginx/status/200", { host: "nginx" });
  assert.equal(status, 200);
  assert.deepEqual([nginx.seen[0]!.url, nginx.seen[0]!.headers.host], ["/status/200", "nginx"]);
  const lines = await eventually(() => {
    try {
      return readFileSync(`${at.folder}/access.log`, "utf8").trim();
    } catch {
      return undefined;
    }
  });
  assert.match(
    lines,
    /^nginx 127\.0\.0\.1 - - \[\d\d\/\d\d\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/status\/200 HTTP\/1\.1" 200 5 "-" "-"$/,
  );
});
