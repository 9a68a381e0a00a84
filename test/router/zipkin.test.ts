// Spans to Zipkin: as JSON over HTTP, and as Scribe's Thrift on its port.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { scribeFrame } from "../../src/router/scribe.ts";
import { Id, TraceId } from "../../src/router/traceid.ts";
import { backend, eventually, freePort, run, send } from "./run.ts";

const hops = (port: number, zipkin: number, first: number) => `
telemetry: [{kind: io.l5d.zipkin, host: 127.0.0.1, port: ${zipkin}, sampleRate: 1.0}]
routers:
- protocol: http
  label: incoming
  dtab: /svc => /$/inet/127.1/${port}
  servers: [{port: ${first}, ip: 127.0.0.1}]
- protocol: http
  label: outgoing
  dtab: /svc => /$/inet/127.1/${first}
  servers: [{port: 0, ip: 127.0.0.2}]
`;

test("one trace joins the spans of both hops (B5, D6)", async (t) => {
  const web = await backend(t, "web");
  const zipkin = await backend(t, "zipkin");
  const first = await freePort();
  const at = await run(t, hops(web.port, zipkin.port, first));
  assert.equal((await send(at.port("outgoing"), "/", { ip: "127.0.0.2" })).body, "web");
  const spans = await eventually(() => {
    const all = zipkin.seen.flatMap(({ body }) => JSON.parse(body) as any[]);
    return all.length === 4 ? all : undefined;
  });
  assert.equal(zipkin.seen[0]!.url, "/api/v2/spans");
  assert.equal(new Set(spans.map(({ traceId }) => traceId)).size, 1);
  const of = (service: string, kind: string) =>
    spans.find((one) => one.localEndpoint.serviceName === service && one.kind === kind);
  // The server's span is the one that the client before it made, as Zipkin has it.
  assert.equal(of("incoming", "SERVER").id, of("outgoing", "CLIENT").id);
  assert.equal(of("outgoing", "CLIENT").parentId, of("outgoing", "SERVER").id);
  assert.equal(of("outgoing", "SERVER").parentId, undefined);
  assert.equal(of("incoming", "CLIENT").tags["service"], "/svc/web");
  assert.equal(of("incoming", "CLIENT").remoteEndpoint.port, web.port);
});

test("spans say at which step a request failed", async (t) => {
  const web = await backend(t, "web", (_, rsp) => rsp.destroy());
  const zipkin = await backend(t, "zipkin");
  const at = await run(
    t,
    `telemetry: [{kind: io.l5d.zipkin, host: 127.0.0.1, port: ${zipkin.port}, sampleRate: 1}]
routers:
- protocol: http
  dtab: /svc/web => /$/inet/127.1/${web.port}; /svc/dead => /$/inet/127.1/1
  servers: [{port: 0, ip: 127.0.0.1}]
`,
  );
  for (const host of ["lost", "dead", "web"]) await send(at.port(), "/", { host });
  connect(at.port(), "127.0.0.1").end("GET /nameless HTTP/1.0\r\n\r\n");
  const servers = await eventually(() => {
    const all = zipkin.seen.flatMap(({ body }) => JSON.parse(body) as any[]);
    const found = all.filter(({ kind }) => kind === "SERVER");
    return found.length === 4 ? found : undefined;
  });
  assert.deepEqual(
    servers.map(({ tags }) => [tags["http.req.version"], tags["io.buoyant.router.Failure"]]),
    [
      ["HTTP/1.1", "ClientAcquisition"],
      ["HTTP/1.1", "ClientAcquisition"],
      ["HTTP/1.1", "Service"],
      ["HTTP/1.0", "Identification"],
    ],
  );
});

test("Scribe's message is Thrift's, framed", () => {
  const root = Id.parse("aa");
  const trace = new TraceId("", root, root, Id.parse("ab"), true, false);
  const frame = scribeFrame([
    {
      kind: "SERVER",
      name: "get",
      trace,
      startUs: 1_700_000_000_000_000,
      durationUs: 1500,
      service: "out",
      local: { ip: "127.0.0.1", port: 4140 },
      remote: undefined,
      tags: { client: "/#/x" },
    },
  ]);
  assert.equal(frame.readUInt32BE(0), frame.length - 4);
  assert.equal(frame.toString("latin1", 4, 8), "\x80\x01\x00\x01");
  const words = frame.toString("latin1");
  assert.ok(words.includes("\0\0\0\x03Log") && words.includes("\0\0\0\x06zipkin"));
  const [encoded] = /[A-Za-z0-9+/]{60,}=*/.exec(words.slice(words.indexOf("zipkin") + 6))!;
  const span = Buffer.from(encoded, "base64");
  assert.deepEqual([span[0], span.readUInt16BE(1), span.readBigInt64BE(3)], [10, 1, 0xaan]);
  assert.ok(span.includes("sr") && span.includes("ss") && span.includes("/#/x"));
});
