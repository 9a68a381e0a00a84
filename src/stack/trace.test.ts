// What tells of requests: traces, access logs, taps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import { header } from "../wire/headers.ts";
import { peer, request, response, scripted, streaming } from "../../test/support/messages.ts";
import { AccessLog } from "./accesslog.ts";
import { type Exchange, observe } from "./exchange.ts";
import { HttpEndpoint } from "./endpoint.ts";
import { type TapMeta, Taps } from "./tap.ts";
import { type Span, trace, traceContextOf } from "./trace.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";

test("contexts are read in their three forms", () => {
  const of = (...headers: string[]) => traceContextOf(headers);
  const w3c = { traceId: TRACE, spanId: PARENT, sampled: true, format: "w3c" };
  assert.deepEqual(of("Traceparent", `00-${TRACE}-${PARENT}-01`), w3c);
  assert.equal(of("traceparent", `00-${TRACE}-${PARENT}-00`)?.sampled, false);
  assert.deepEqual(of("traceparent", `01-${TRACE}-${PARENT}-01-more`), w3c, "a later version");
  for (const wrong of [
    `00-${TRACE}-${PARENT}-01-more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${"0".repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    "",
  ]) {
    assert.equal(of("traceparent", wrong), undefined, wrong);
  }
  assert.deepEqual(of("b3", `${TRACE}-${PARENT}-1-05e3ac9a4f6e3b90`), {
    ...w3c,
    format: "b3single",
  });
  assert.equal(of("b3", "0"), undefined);
  const multi = ["x-b3-traceid", "8448EB211C80319C", "x-b3-spanid", PARENT];
  const traceId = "8448eb211c80319c".padStart(32, "0");
  assert.deepEqual(of(...multi, "x-b3-sampled", "1"), { ...w3c, traceId, format: "b3" });
  assert.equal(of(...multi)?.sampled, false);
  assert.equal(of(...multi, "x-b3-flags", "1")?.sampled, true);
});

function traced(clock = new VirtualClock()) {
  const spans: Span[] = [];
  const filter = trace({
    kind: "server",
    sink: { span: (span) => spans.push(span) },
    clock,
    random: seededRandom(1),
    attributes: { direction: "inbound" },
  });
  return { spans, filter };
}

test("a sampled request makes a span and is its child from then on", async () => {
  const clock = new VirtualClock();
  const { spans, filter } = traced(clock);
  const { body } = streaming();
  const upstream = scripted(() => response(200, [], body));
  await filter(upstream)(
    request({
      path: "/a?secret",
      headers: ["traceparent", `00-${TRACE}-${PARENT}-01`],
      peer: peer("web"),
    }),
  );
  clock.advance(12);
  body.finish();
  const [span] = spans;
  assert.equal(header(upstream.seen[0]!.headers, "traceparent"), `00-${TRACE}-${span!.spanId}-01`);
  assert.match(span!.spanId, /^[0-9a-f]{16}$/);
  assert.deepEqual(span, {
    kind: "server",
    name: "/a",
    traceId: TRACE,
    spanId: span!.spanId,
    parentId: PARENT,
    start: 1_700_000_000_000,
    end: 1_700_000_000_012,
    failed: false,
    attributes: {
      direction: "inbound",
      "http.request.method": "GET",
      "url.path": "/a",
      "server.address": "web.example:80",
      "client.address": "10.0.0.1",
      "tls.client.subject": "web",
      "http.response.status_code": 200,
    },
  });
});

test("a failure makes a failed span", async () => {
  const { spans, filter } = traced();
  const upstream = scripted(() => new Fault("io", "reset"));
  const headers = ["x-b3-traceid", TRACE, "x-b3-spanid", PARENT, "x-b3-sampled", "1"];
  await assert.rejects(filter(upstream)(request({ headers })));
  assert.equal(spans[0]!.failed, true);
  assert.equal(spans[0]!.attributes["error.type"], "io");
  assert.equal(header(upstream.seen[0]!.headers, "x-b3-parentspanid"), PARENT);
});

test("what is not sampled, or nobody collects, passes untouched", async () => {
  const { spans, filter } = traced();
  const upstream = scripted(() => response());
  const headers = ["traceparent", `00-${TRACE}-${PARENT}-00`];
  await filter(upstream)(request({ headers: [...headers] }));
  assert.deepEqual(upstream.seen[0]!.headers, headers);
  assert.deepEqual(spans, []);
  const none = trace({
    kind: "client",
    sink: undefined,
    clock: new VirtualClock(),
    random: seededRandom(1),
  });
  assert.equal(none(upstream), upstream);
});

test("access logs in both formats", async () => {
  for (const [format, expected] of [
    ["apache", '10.0.0.1:40000 web - [2023-11-14T22:13:20.000Z] "GET /a?b=%22 HTTP/1.1" 404'],
    [
      "json",
      JSON.stringify({
        "client.addr": "10.0.0.1:40000",
        "client.id": "web",
        timestamp: "2023-11-14T22:13:20.000Z",
        method: "GET",
        uri: '/a?b="',
        version: "HTTP/1.1",
        trace_id: TRACE,
        request_bytes: 3,
        status: 404,
        response_bytes: 5,
        total_ns: "2500000",
        processing_ns: "2500000",
        user_agent: "test",
        host: "web.example:80",
        direction: "inbound",
      }),
    ],
  ] as const) {
    const clock = new VirtualClock();
    const lines: string[] = [];
    const log = new AccessLog({ format, clock, write: (line) => lines.push(line) });
    const service = observe(clock, [log])(async () => {
      clock.advance(2.5);
      return response(404, [], "12345");
    });
    const headers = ["user-agent", "test", "traceparent", `00-${TRACE}-${PARENT}-00`];
    await service(request({ path: '/a?b="', headers, body: "abc", peer: peer("web") }));
    assert.deepEqual(lines, [expected]);
  }
});

test("a tap sees the exchanges that it wants, to their end, and nothing after it has closed", async () => {
  const clock = new VirtualClock();
  const taps = new Taps();
  const meta: TapMeta = {
    direction: "outbound",
    destination: { ip: "10.0.0.7", port: 80 },
    labels: {},
    serverId: undefined,
  };
  const { body } = streaming();
  const endpoint = new HttpEndpoint(
    { ip: "10.0.0.7", port: 80, weight: 1, labels: {} },
    { clock, service: async () => response(200, [], body) },
  );
  endpoint.watchers.push(taps.watch(meta));
  const send = (path: string) =>
    endpoint.send(request({ path }), 0, (_, fault) => Promise.reject(fault));
  await send("/before");
  const events: string[] = [];
  const close = taps.add({
    request(x: Exchange, seen) {
      assert.equal(seen, meta);
      if (x.req.path !== "/wanted") return undefined;
      events.push("request");
      return { response: () => events.push("response"), end: () => events.push("end") };
    },
  });
  await send("/other");
  await send("/wanted");
  close();
  await send("/after");
  body.finish();
  assert.deepEqual(events, ["request", "response", "end"]);
  assert.equal(taps.active, false);
});
