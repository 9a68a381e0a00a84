// Who may tap: whom the API server names, and only the API server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Body } from "../io/body.ts";
import type { TlsStatus } from "../io/conn.ts";
import { HttpReq } from "../io/message.ts";
import { askerOf, mayNotTap, parseFrontProxy } from "./tapauth.ts";

const front = parseFrontProxy({
  "requestheader-client-ca-file": "PEM",
  "requestheader-allowed-names": '["front-proxy-client"]',
  "requestheader-username-headers": '["X-Remote-User"]',
  "requestheader-group-headers": '["X-Remote-Group"]',
  "requestheader-extra-headers-prefix": '["X-Remote-Extra-"]',
});

function asked(identity: string | undefined, headers: string[]): HttpReq {
  const tls: TlsStatus =
    identity === undefined
      ? { kind: "no_identity", reason: "no_tls_from_remote" }
      : { kind: "true", identity, alpn: undefined };
  const addr = { ip: "10.0.0.1", port: 1 };
  const peer = { remote: addr, local: addr, original: addr, tls };
  return new HttpReq("POST", "/", "tap", 20, headers, Body.of(""), peer, 0);
}

test("the API server says who asks, with groups and what else is known of them", () => {
  const headers = ["x-remote-user", "ana", "X-Remote-Group", "dev", "x-remote-group", "ops"];
  const req = asked("front-proxy-client", [...headers, "x-remote-extra-scopes%2fa", "view"]);
  assert.deepEqual(askerOf(req, front), {
    user: "ana",
    groups: ["dev", "ops"],
    extra: { "scopes/a": ["view"] },
  });
});

test("nobody else says it: without its certificate, with another name, or about nobody", () => {
  const headers = ["x-remote-user", "system:admin"];
  assert.throws(() => askerOf(asked(undefined, headers), front), { code: "unauthenticated" });
  assert.throws(() => askerOf(asked("", headers), front), { code: "unauthenticated" });
  assert.throws(() => askerOf(asked("kubelet", headers), front), /"kubelet" is not the API server/);
  assert.throws(() => askerOf(asked("front-proxy-client", []), front), /does not say who asks/);
});

test("a cluster that aggregates nothing is said to be one", () => {
  assert.throws(() => parseFrontProxy({ "client-ca-file": "PEM" }), /no front proxy/);
});

test("a refusal says what would change it", () => {
  const of = { kind: "deployment", namespace: "shop", name: "web" };
  const { message } = mayNotTap(of, "ana");
  assert.match(message, /^ana may not tap deployments in shop: .*"watch" on deployments\/tap/);
  assert.match(message, /linkerd-linkerd-viz-tap-admin has$/);
});
