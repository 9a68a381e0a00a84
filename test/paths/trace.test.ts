// Traces: a sampled request leaves spans of both sidecars with a collector, joined to the caller's trace.

import assert from "node:assert/strict";
import { test } from "node:test";
import { collector } from "../support/collector.ts";
import { application, get, mesh, PORTS, until } from "./mesh.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("a sampled request is three spans of one trace", async (t) => {
  const { client, server, second: ip, start } = await mesh(t);
  let parent = "";
  await application(t, server, (req, rsp) => {
    parent = String(req.headers["traceparent"]);
    rsp.end("hello");
  });
  const { spans } = await collector(t, ip, 4317);
  await start({
    LINKERD2_PROXY_TRACE_COLLECTOR_SVC_ADDR: `${ip}:4317`,
    LINKERD2_PROXY_TRACE_SERVICE_NAME: "linkerd-proxy",
  });
  await get(client, PORTS.http, "/quiet");
  const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
  await get(client, PORTS.http, "/traced", { traceparent });
  await until(() => spans.length === 3);
  assert.ok(spans.every(({ trace, name }) => trace === TRACE && name === "/traced"));
  const [outer] = spans.filter((span) => span["parent"] === "b7ad6b7169203331");
  const [middle] = spans.filter((span) => span["parent"] === outer?.["span"]);
  const [inner] = spans.filter((span) => span["parent"] === middle?.["span"]);
  assert.equal(parent, `00-${TRACE}-${inner?.["span"]}-01`);
});
