// What the viz verbs print, to the last space: scripts and eyes are used to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  EdgeSchema,
  RouteTableSchema,
  StatTable_PodGroup_RowSchema,
} from "../../proto/gen/viz/viz_pb.js";
import { printAuthz, printAuthzJson } from "./authz.ts";
import { printEdges, printEdgesJson } from "./edges.ts";
import { printRoutes, printRoutesJson } from "./routes.ts";
import { printInbound, printOutbound } from "./routestats.ts";
import { printStat, printStatJson } from "./stat.ts";
import { palette } from "./terminal.ts";

type RowInit = MessageInitShape<typeof StatTable_PodGroup_RowSchema>;

const row = (type: string, name: string, more: RowInit = {}) =>
  create(StatTable_PodGroup_RowSchema, {
    resource: { type, name, namespace: "emojivoto" },
    timeWindow: "1m",
    meshedPodCount: 1n,
    runningPodCount: 1n,
    ...more,
  } as RowInit);

const stats = (successCount: number, failureCount: number) => ({
  successCount: BigInt(successCount),
  failureCount: BigInt(failureCount),
  latencyMsP50: 1n,
  latencyMsP95: 20n,
  latencyMsP99: 300n,
});

const tcpStats = { openConnections: 3n, readBytesTotal: 6000n, writeBytesTotal: 90n };

const plain = { wide: false, namespaces: false, many: false };

test("stat: one kind", () => {
  const rows = [
    row("deployment", "web", { stats: stats(110, 10), tcpStats }),
    row("deployment", "emoji", { stats: stats(138, 0), tcpStats }),
    row("deployment", "quiet", { tcpStats: { openConnections: 0n } }),
  ];
  assert.equal(
    printStat(rows, plain),
    `NAME    MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN
emoji      1/1   100.00%   2.3rps           1ms          20ms         300ms          3
quiet      1/1         -        -             -             -             -          0
web        1/1    91.67%   2.0rps           1ms          20ms         300ms          3
`,
  );
});

test("stat: several kinds, all namespaces, wide, pods with their state, services without a share", () => {
  const rows = [
    row("service", "web-svc", { stats: stats(1, 0) }),
    row("pod", "web-1", { stats: stats(1, 0), tcpStats, status: "Running", runningPodCount: 1n }),
    row("deployment", "web", {
      stats: stats(1, 0),
      tcpStats,
      meshedPodCount: 0n,
      runningPodCount: 2n,
    }),
  ];
  assert.equal(
    printStat(rows, { wide: true, namespaces: true, many: true }),
    `NAMESPACE   NAME         MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN   READ_BYTES/SEC   WRITE_BYTES/SEC
emojivoto   deploy/web      0/2   100.00%   0.0rps           1ms          20ms         300ms          3         100.0B/s            1.5B/s

NAMESPACE   NAME        STATUS   MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN   READ_BYTES/SEC   WRITE_BYTES/SEC
emojivoto   po/web-1   Running      1/1   100.00%   0.0rps           1ms          20ms         300ms          3         100.0B/s            1.5B/s

NAMESPACE   NAME          MESHED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN   READ_BYTES/SEC   WRITE_BYTES/SEC
emojivoto   svc/web-svc        -   100.00%   0.0rps           1ms          20ms         300ms          -                -                 -
`,
  );
});

test("stat: a server shows what it turned away", () => {
  const rows = [
    row("server", "web-http", { stats: stats(6, 0), srvStats: { deniedCount: 30n }, tcpStats }),
  ];
  assert.equal(
    printStat(rows, plain),
    `NAME       UNAUTHORIZED   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99   TCP_CONN
web-http         0.5rps   100.00%   0.1rps           1ms          20ms         300ms          3
`,
  );
});

test("stat: JSON says null for what is not known", () => {
  const rows = [
    row("deployment", "web", { stats: stats(90, 30), tcpStats }),
    row("service", "web-svc"),
  ];
  assert.deepEqual(JSON.parse(printStatJson(rows)), [
    {
      namespace: "emojivoto",
      kind: "deployment",
      name: "web",
      meshed: "1/1",
      success: 0.75,
      rps: 2,
      latency_ms_p50: 1,
      latency_ms_p95: 20,
      latency_ms_p99: 300,
      tcp_open_connections: 3,
      tcp_read_bytes_rate: 100,
      tcp_write_bytes_rate: 1.5,
    },
    {
      namespace: "emojivoto",
      kind: "service",
      name: "web-svc",
      success: null,
      rps: null,
      latency_ms_p50: null,
      latency_ms_p95: null,
      latency_ms_p99: null,
    },
  ]);
});

const identity = (account: string): string =>
  `${account}.emojivoto.serviceaccount.identity.linkerd.cluster.local`;

const edge = (src: string, dst: string, noIdentityMsg = "") =>
  create(EdgeSchema, {
    src: { type: "deployment", name: src, namespace: "emojivoto" },
    dst: { type: "deployment", name: dst, namespace: "emojivoto" },
    ...(noIdentityMsg === "" && { clientId: identity(src), serverId: identity(dst) }),
    noIdentityMsg,
  });

test("edges: a tick for mutual TLS, else the reason", () => {
  const rows = [
    edge("vote-bot", "web", "not_provided_by_service_discovery"),
    edge("web", "voting"),
  ];
  assert.equal(
    printEdges(rows.slice(1), false, palette(false)),
    `SRC   DST      SRC_NS      DST_NS      SECURED
web   voting   emojivoto   emojivoto   √${"      "}
`,
  );
  assert.equal(
    printEdges(rows, true, palette(false)).split("\n")[2],
    "web        voting   emojivoto   emojivoto   web.emojivoto   voting.emojivoto   √                                ",
  );
  assert.deepEqual(JSON.parse(printEdgesJson(rows.slice(0, 1))), [
    {
      src: "vote-bot",
      src_namespace: "emojivoto",
      dst: "web",
      dst_namespace: "emojivoto",
      client_id: "",
      server_id: "",
      no_tls_reason: "not_provided_by_service_discovery",
    },
  ]);
});

const routeTable = create(RouteTableSchema, {
  resource: "svc/books",
  rows: [
    {
      route: "GET /books",
      authority: "books",
      timeWindow: "1m",
      stats: { ...stats(90, 0), actualSuccessCount: 90n, actualFailureCount: 30n },
    },
    { route: "[DEFAULT]", authority: "books", timeWindow: "1m" },
  ],
});

test("routes: plain, and effective against actual", () => {
  assert.equal(
    printRoutes([routeTable], false),
    `ROUTE        SERVICE   SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99
GET /books     books   100.00%   1.5rps           1ms          20ms         300ms
[DEFAULT]      books         -        -             -             -             -

`,
  );
  assert.equal(
    printRoutes([routeTable, routeTable], true).split("\n").slice(0, 3).join("\n"),
    `==> svc/books <==
ROUTE        SERVICE   EFFECTIVE_SUCCESS   EFFECTIVE_RPS   ACTUAL_SUCCESS   ACTUAL_RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99
GET /books     books             100.00%          1.5rps           75.00%       2.0rps           1ms          20ms         300ms`,
  );
  const json = JSON.parse(printRoutesJson([routeTable], true)) as Record<string, unknown[]>;
  assert.deepEqual(json["svc/books"]![0], {
    route: "GET /books",
    authority: "books",
    effective_success: 1,
    effective_rps: 1.5,
    actual_success: 0.75,
    actual_rps: 2,
    latency_ms_p50: 1,
    latency_ms_p95: 20,
    latency_ms_p99: 300,
  });
});

test("authz: default servers say so, and refusals stand alone", () => {
  const rows = [
    row("deployment", "web", {
      stats: stats(60, 0),
      srvStats: {
        srv: { type: "default", name: "all-unauthenticated" },
        route: { type: "default", name: "" },
        authz: { type: "default", name: "all-unauthenticated" },
      },
    }),
    row("deployment", "web", {
      srvStats: {
        srv: { type: "server", name: "admin" },
        route: { name: "stats" },
        deniedCount: 6n,
      },
    }),
  ];
  assert.equal(
    printAuthz(rows),
    `ROUTE  SERVER                       AUTHORIZATION                UNAUTHORIZED  SUCCESS     RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99${"  "}
*      default:all-unauthenticated  default/all-unauthenticated             -  100.00%  1.0rps          1ms         20ms        300ms${"  "}
stats  admin                        -                                  0.1rps        -       -            -            -            -${"  "}
`,
  );
  assert.deepEqual(JSON.parse(printAuthzJson(rows.slice(1))), [
    {
      route: "stats",
      server: "admin",
      authorization: "",
      unauthorized: 0.1,
      success: null,
      rps: null,
      latency_ms_p50: null,
      latency_ms_p95: null,
      latency_ms_p99: null,
    },
  ]);
});

const latencies = { latencyMsP50: 1.4, latencyMsP95: 20, latencyMsP99: null };

test("stat-inbound: servers and routes, those of nobody in brackets", () => {
  const row = { name: "web", port: "8080", rps: 2.25, successesRate: 0.875, ...latencies };
  assert.equal(
    printInbound([
      { ...row, server: "[default]", route: "[default]", routeType: "" },
      { ...row, server: "web-http", route: "list", routeType: "HTTPRoute" },
    ]),
    `NAME  SERVER          ROUTE      TYPE       SUCCESS   RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99  
web   [default]:8080  [default]              87.50%  2.25          1ms         20ms            -  
web   web-http:8080   list       HTTPRoute   87.50%  2.25          1ms         20ms            -  
`,
  );
});

test("stat-outbound: backends on branches below their route", () => {
  const row = {
    name: "web",
    service: "voting-svc",
    port: "8080",
    rps: 2,
    successRate: 1,
    route: "split",
    routeType: "HTTPRoute",
    timeoutRate: 0.1,
    ...latencies,
  };
  const backend = (name: string) => ({ ...row, backend: name, backendPort: "8080" });
  assert.equal(
    printOutbound([{ ...row, retryRate: 0.25 }, backend("voting-svc"), backend("other")]),
    `NAME  SERVICE          ROUTE  TYPE       BACKEND          SUCCESS   RPS  LATENCY_P50  LATENCY_P95  LATENCY_P99  TIMEOUTS  RETRIES  
web   voting-svc:8080  split  HTTPRoute                   100.00%  2.00          1ms         20ms            -    10.00%   25.00%  
                       ├────  ────────►  voting-svc:8080  100.00%  2.00          1ms         20ms            -    10.00%           
                       └────  ────────►  other:8080       100.00%  2.00          1ms         20ms            -    10.00%           
`,
  );
});
