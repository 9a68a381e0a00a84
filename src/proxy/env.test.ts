// The environment: defaults, forms, and all mistakes at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSettings } from "./env.ts";

const MINIMAL = {
  LINKERD2_PROXY_DESTINATION_SVC_ADDR: "localhost:8086",
  LINKERD2_PROXY_POLICY_SVC_ADDR: "127.0.0.1:8090",
  LINKERD2_PROXY_POLICY_WORKLOAD: '{"ns":"default","pod":"web-1"}',
  LINKERD2_PROXY_IDENTITY_SVC_ADDR: "localhost:8080",
  LINKERD2_PROXY_IDENTITY_LOCAL_NAME: "web.default.serviceaccount.identity.linkerd.cluster.local",
  LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: "-----BEGIN CERTIFICATE-----",
  LINKERD2_PROXY_IDENTITY_TOKEN_FILE: "/var/run/secrets/tokens/linkerd-identity-token",
};

test("defaults are those of linkerd2-proxy", () => {
  const s = parseSettings(MINIMAL);
  assert.deepEqual(s.outbound.listen, { ip: "127.0.0.1", port: 4140 });
  assert.deepEqual(s.inbound.listen, { ip: "0.0.0.0", port: 4143 });
  assert.deepEqual(s.control.listen, { ip: "0.0.0.0", port: 4190 });
  assert.deepEqual(s.admin.listen, { ip: "127.0.0.1", port: 4191 });
  assert.equal(s.inbound.connectTimeoutMs, 300);
  assert.equal(s.outbound.backoffMaxMs, 60_000);
  assert.equal(s.inbound.defaultPolicy, "all-unauthenticated");
  assert.equal(s.admin.gracePeriodMs, 120_000);
  assert.equal(s.control.tapName, undefined);
});

test("values are read in their forms", () => {
  const s = parseSettings({
    ...MINIMAL,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: "127.0.0.1:4140, [::1]:4140",
    LINKERD2_PROXY_INBOUND_PORTS: "80,100-200",
    LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS: "10.0.0.0/8,fd00::/8",
    LINKERD2_PROXY_INBOUND_DETECT_TIMEOUT: "2m",
    LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: "0",
    LINKERD_PROXY_OUTBOUND_ORIGINALS: "127.0.0.9:8080=10.0.0.1:80,127.0.0.9:8081=10.0.0.2:80",
  });
  assert.deepEqual(s.outbound.listens[1], { ip: "::1", port: 4140 });
  assert.deepEqual(s.inbound.ports, [
    { from: 80, to: 80 },
    { from: 100, to: 200 },
  ]);
  assert.deepEqual(s.policy.clusterNetworks[1], { ip: "fd00::", prefix: 8 });
  assert.equal(s.inbound.detectTimeoutMs, 120_000);
  assert.equal(s.outbound.connectTimeoutMs, 0);
  assert.deepEqual(s.own.originals[1], [
    { ip: "127.0.0.9", port: 8081 },
    { ip: "10.0.0.2", port: 80 },
  ]);
});

test("all mistakes are reported at once, each with its variable", () => {
  const { LINKERD2_PROXY_IDENTITY_LOCAL_NAME: _, ...env } = MINIMAL;
  assert.throws(
    () =>
      parseSettings({
        ...env,
        LINKERD2_PROXY_INBOUND_CONNECT_TIMEOUT: "10",
        LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: "localhost:4140",
        LINKERD2_PROXY_INBOUND_DEFAULT_POLICY: "allow",
        LINKERD2_PROXY_DESTINATION_SVC_ADDR: "linkerd-dst.linkerd:8086",
        LINKERD2_PROXY_IDENTITY_DISABLED: "1",
      }),
    (error: Error) => {
      for (const name of [
        "INBOUND_CONNECT_TIMEOUT=10: expected a duration",
        "OUTBOUND_LISTEN_ADDR=localhost:4140: expected an IP address",
        "INBOUND_DEFAULT_POLICY=allow: expected one of all-unauthenticated",
        "DESTINATION_SVC_NAME is not set",
        "IDENTITY_DISABLED is set",
        "IDENTITY_LOCAL_NAME is not set",
      ]) {
        assert.ok(error.message.includes(`LINKERD2_PROXY_${name}`), `${name} in ${error.message}`);
      }
      return true;
    },
  );
});
