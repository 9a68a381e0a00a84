// Traces: a sampled request leaves spans of both sidecars with a collector, joined to the caller's trace.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { systemClock as clock } from "../../src/base/clock.ts";
import { Body } from "../../src/io/body.ts";
import { serveH2 } from "../../src/io/h2server.ts";
import { listen } from "../../src/io/listen.ts";
import { HttpRsp } from "../../src/io/message.ts";
import { application, get, mesh, PORTS, until } from "./mesh.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

test("a sampled request is three spans of one trace", async (t) => {
  const { client, server, second: ip, start } = await mesh(t);
  let parent = "";
  await application(t, server, (req, rsp) => {
    parent = String(req.headers["traceparent"]);
    rsp.end("hello");
  });
  const spans: Record<string, string>[] = [];
  const collector = await listen({ ip, port: 4317 }, {}, (conn) => {
    serveH2(
      conn,
      async (req) => {
        const bytes = await req.body.read(1 << 20, () => new Error("too long") as never);
        spans.push(...spansOf(bytes.subarray(5)));
        const head = ["content-type", "application/grpc", "grpc-status", "0"];
        return new HttpRsp(200, head, Body.empty, 20);
      },
      { clock },
    );
  });
  t.after(() => collector.close());
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

// The spans of an ExportTraceServiceRequest: resource_spans (1), scope_spans (2), spans (2).
function spansOf(request: Uint8Array): Record<string, string>[] {
  const scopes = fields(request, 1).flatMap((each) => fields(each, 2));
  return scopes
    .flatMap((scope) => fields(scope, 2))
    .map((span) => {
      const hex = (no: number): string => Buffer.from(fields(span, no)[0]!).toString("hex");
      const name = Buffer.from(fields(span, 5)[0]!).toString();
      return { trace: hex(1), span: hex(2), parent: hex(4), name };
    });
}

function fields(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const [no, type] = reader.tag();
    if (no === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type);
  }
  return found;
}
