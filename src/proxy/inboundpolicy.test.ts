// Inbound policies: what a real policy controller sends, what is rejected, the built-in ones.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ServerSchema } from "../../proto/gen/inbound_pb.js";
import { defaultInboundPolicy, parseInboundPolicy } from "./inboundpolicy.ts";

const parse = (json: JsonValue) => parseInboundPolicy(fromJson(ServerSchema, json));

const LABELS = { group: "policy.linkerd.io", kind: "server", name: "web-http" };
const ANY = [{ net: { ip: { ipv4: 0 }, prefixLen: 0 } }];
const META = {
  resource: {
    group: "policy.linkerd.io",
    kind: "authorizationpolicy",
    name: "web",
    namespace: "a",
  },
};

test("a server with an authorization for identities", () => {
  const { meta, protocol, authorizations } = parse({
    labels: LABELS,
    protocol: { http1: { routes: [] } },
    authorizations: [
      {
        networks: [
          {
            net: { ip: { ipv4: 0x0a000000 }, prefixLen: 8 },
            except: [{ ip: { ipv4: 0x0a010000 }, prefixLen: 16 }],
          },
        ],
        authentication: {
          meshTLS: {
            identities: {
              identities: [{ name: "web.id" }],
              suffixes: [{ parts: ["emojivoto", "id"] }, {}],
            },
          },
        },
        metadata: META,
      },
      { networks: [], authentication: { unauthenticated: {} }, metadata: META },
    ],
  });
  assert.deepEqual([meta.kind, meta.name], ["server", "web-http"]);
  assert.equal(protocol.kind, "http1");
  assert.equal(authorizations.length, 1, "one without networks admits nobody");
  const [authz] = authorizations;
  assert.deepEqual(authz!.networks[0], {
    net: { ip: "10.0.0.0", prefix: 8 },
    except: [{ ip: "10.1.0.0", prefix: 16 }],
  });
  assert.deepEqual(authz!.clients, {
    kind: "identities",
    names: new Set(["web.id"]),
    suffixes: [".emojivoto.id", ""],
  });
});

test("routes, their own authorizations and rate limits", () => {
  const { protocol } = parse({
    labels: LABELS,
    protocol: {
      detect: {
        timeout: "10s",
        httpRoutes: [
          {
            metadata: { default: "probe" },
            authorizations: [
              { networks: ANY, authentication: { unauthenticated: {} }, metadata: META },
            ],
            rules: [{ matches: [{ path: { exact: "/ready" }, method: { registered: "GET" } }] }],
          },
        ],
        httpLocalRateLimit: {
          metadata: META,
          total: { requestsPerSecond: 100 },
          overrides: [
            { limit: { requestsPerSecond: 5 }, clients: { identities: [{ name: "slow.id" }] } },
          ],
        },
      },
    },
  });
  assert.equal(protocol.detectMs, 10_000);
  const [probe] = protocol.routes;
  assert.deepEqual(probe!.authorizations[0]!.clients, { kind: "anybody" });
  assert.deepEqual(probe!.rules[0]!.matches[0]!.path, { kind: "exact", value: "/ready" });
  assert.equal(protocol.rateLimit?.totalRps, 100);
  assert.equal(protocol.rateLimit?.identityRps, undefined);
  assert.deepEqual(protocol.rateLimit?.overrides, [{ rps: 5, identities: ["slow.id"] }]);
});

const REJECTED: [string, JsonValue][] = [
  ["labels.name", { protocol: { opaque: {} } }],
  ["protocol", { labels: LABELS }],
  ["detect.timeout", { labels: LABELS, protocol: { detect: {} } }],
  [
    "authorizations.authentication",
    { labels: LABELS, protocol: { opaque: {} }, authorizations: [{ networks: ANY }] },
  ],
];

for (const [place, json] of REJECTED) {
  test(`rejected: no ${place}`, () => {
    assert.throws(
      () => parse(json),
      (error: Error) => error.message.includes(place),
    );
  });
}

test("the default policies", () => {
  const cluster = [{ ip: "10.0.0.0", prefix: 8 }];
  const clients = (name: Parameters<typeof defaultInboundPolicy>[0]) => {
    const { authorizations } = defaultInboundPolicy(name, "detect", 1, cluster);
    return authorizations.map((a) => [a.clients.kind, a.networks.map(({ net }) => net.ip).join()]);
  };
  assert.deepEqual(clients("all-unauthenticated"), [["anybody", "0.0.0.0,::"]]);
  assert.deepEqual(clients("all-authenticated"), [["identities", "0.0.0.0,::"]]);
  assert.deepEqual(clients("cluster-authenticated"), [["identities", "10.0.0.0"]]);
  assert.deepEqual(clients("cluster-unauthenticated"), [["anybody", "10.0.0.0"]]);
  assert.deepEqual(clients("audit"), [["anybody", "0.0.0.0,::"]]);
  assert.deepEqual(clients("deny"), []);
});
