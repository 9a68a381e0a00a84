// What tap and top print of events and calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { TapEventSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import type { TapCall } from "../viz/calls.ts";
import { jsonpath } from "./jsonpath.ts";
import { printTapEvent, tapEventJson } from "./tapevents.ts";
import { TopBoard } from "./top.ts";

const id = { base: 11, stream: 1n };

function event(part: object, direction = 2) {
  return create(TapEventSchema, {
    source: { ip: { ip: { case: "ipv4", value: 0x0a000003 } }, port: 40_100 },
    sourceMeta: { labels: { deployment: "web", namespace: "emojivoto" } },
    destination: { ip: { ip: { case: "ipv6", value: { first: 0n, last: 1n } } }, port: 8080 },
    destinationMeta: { labels: { tls: "true", deployment: "emoji", namespace: "emojivoto" } },
    proxyDirection: direction,
    event: { case: "http", value: { event: part } },
  } as never);
}

const request = {
  case: "requestInit",
  value: {
    id,
    method: { type: { case: "registered", value: 1 } },
    scheme: { type: { case: "registered", value: 0 } },
    authority: "emoji-svc.emojivoto:8080",
    path: "/emojivoto.v1.EmojiService/ListAll",
    headers: {
      headers: [
        { name: "te", value: { case: "valueStr", value: "trailers" } },
        { name: "x-bin", value: { case: "valueBin", value: Buffer.from([255]) } },
      ],
    },
  },
};

const end = (eos: object) => ({
  case: "responseEnd",
  value: {
    id,
    sinceRequestInit: { nanos: 2_000_000 },
    sinceResponseInit: { nanos: 193_400 },
    responseBytes: 2140n,
    eos: { end: eos },
  },
});

test("tap: a line for each event", () => {
  const flow = "id=11:1 proxy=out src=10.0.0.3:40100 dst=[::1]:8080 tls=true";
  assert.equal(
    printTapEvent(event(request)),
    `req ${flow} :method=POST :authority=emoji-svc.emojivoto:8080 :path=/emojivoto.v1.EmojiService/ListAll`,
  );
  const response = {
    case: "responseInit",
    value: { id, httpStatus: 200, sinceRequestInit: { nanos: 1_792_000 } },
  };
  assert.equal(printTapEvent(event(response)), `rsp ${flow} :status=200 latency=1792µs`);
  const ends = (eos: object) => printTapEvent(event(end(eos)));
  assert.equal(
    ends({ case: "grpcStatusCode", value: 0 }),
    `end ${flow} grpc-status=OK duration=193µs response-length=2140B`,
  );
  assert.match(ends({ case: "grpcStatusCode", value: 2 }), / grpc-status=Unknown /);
  assert.match(ends({ case: "grpcStatusCode", value: 99 }), / grpc-status=Code\(99\) /);
  assert.match(ends({ case: "resetErrorCode", value: 8 }), / reset-error=8 /);
  assert.match(ends({ case: undefined }), /tls=true duration=/);
  assert.match(printTapEvent(event(request, 1)), / proxy=in  src=.* tls= :method/);
  assert.match(
    printTapEvent(event(request), "deployment"),
    / src_res=deploy\/web src_ns=emojivoto dst_res=deploy\/emoji dst_ns=emojivoto$/,
  );
});

test("tap: JSON and templates", () => {
  const json = tapEventJson(event(request)) as Record<string, any>;
  assert.deepEqual(json["source"], {
    ip: "10.0.0.3",
    port: 40_100,
    metadata: { deployment: "web", namespace: "emojivoto" },
  });
  assert.equal(json["routeMeta"], null);
  assert.equal(json["proxyDirection"], "OUTBOUND");
  assert.deepEqual(json["requestInitEvent"].headers, [
    { name: "te", valueStr: "trailers" },
    { name: "x-bin", valueBin: "/w==" },
  ]);
  const ended = tapEventJson(event(end({ case: "grpcStatusCode", value: 0 }))) as Record<
    string,
    any
  >;
  assert.equal(ended["responseEndEvent"].grpcStatusCode, 0);
  const print = jsonpath('{.source.ip} {.requestInitEvent.headers[0].name}{"\\n"}');
  assert.equal(print(json), "10.0.0.3 te\n");
  assert.equal(print(ended), "10.0.0.3 \n");
  assert.throws(() => jsonpath("{.source.}"), /is no path/);
  assert.throws(() => jsonpath("{.source"), /is no path/);
});

const call = (path: string, ok: boolean, latencyMs: number): TapCall => ({
  direction: "outbound",
  source: "deploy/web",
  destination: "deploy/voting",
  sourceLabels: { pod: "web-1" },
  destinationLabels: {},
  routeLabels: {},
  method: "POST",
  authority: "",
  path,
  tls: true,
  status: 200,
  grpcStatus: 0,
  ok,
  latencyMs,
});

test("top: calls add up by what was asked of whom", () => {
  const board = new TopBoard(false, false);
  board.add(call("/a?x=1", true, 0.42));
  for (const ms of [3, 1200, 7]) board.add(call("/b?q", ms !== 7, ms));
  assert.equal(
    board.print(),
    `Source   Destination     Method   Path   Count    Best   Worst    Last   Success Rate
web-1    deploy/voting   POST     /b         3     3ms    1.2s     7ms         66.67%
web-1    deploy/voting   POST     /a         1   420µs   420µs   420µs        100.00%
`,
  );
});

test("top forgets what was not called for longest, where paths have no end", () => {
  const board = new TopBoard(false, false);
  for (let i = 0; i < 1500; i++) board.add(call(`/item/${i}`, true, 1));
  const paths = board.print().match(/\/item\/\d+/g)!;
  assert.equal(paths.length, 1000);
  assert.ok(paths.includes("/item/1499") && !paths.includes("/item/499"));
});
