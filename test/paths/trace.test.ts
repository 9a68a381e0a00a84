// Traces: a sampled request leaves spans of both sidecars with a collector, joined to the caller's trace. Access logs: a
// line on either side.

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

test("a request is logged where it goes out and where it comes in", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (_, rsp) => rsp.end("hello"));
  const lines: string[] = [];
  const { write } = process.stderr;
  t.mock.method(process.stderr, "write", (text: string) => {
    if (!/\/logged/.test(text)) return write.call(process.stderr, text);
    return lines.push(text) > 0;
  });
  await start({
    LINKERD2_PROXY_ACCESS_LOG: "json",
    LINKERD_PROXY_OUTBOUND_ACCESS_LOG: "apache",
  });
  const traceparent = `00-${TRACE}-b7ad6b7169203331-00`;
  await get(client, PORTS.http, "/logged", { traceparent });
  await until(() => lines.length === 2);
  const [inbound, outbound] = lines.sort().reverse() as [string, string];
  const { direction, status, trace_id: trace } = JSON.parse(inbound) as Record<string, unknown>;
  assert.deepEqual([direction, status, trace], ["inbound", 200, TRACE]);
  assert.match(outbound, / "GET \/logged HTTP\/1.1" 200 web.ns\n$/);
});
