// Who may do what: authorizations, identities in header fields, and rate limits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import type { Peer } from "../io/conn.ts";
import { header } from "../wire/headers.ts";
import { peer, request, response, scripted } from "../../test/support/messages.ts";
import { type Authorization, authorize, compileAuthorizations } from "./authorize.ts";
import { clientId, requireId } from "./identity.ts";
import { ratelimit } from "./ratelimit.ts";

type Named = Authorization & { name: string };

const ANYWHERE = [
  { net: { ip: "0.0.0.0", prefix: 0 }, except: [] },
  { net: { ip: "::", prefix: 0 }, except: [] },
];

function allow(
  name: string,
  clients: Authorization["clients"],
  networks: Authorization["networks"] = ANYWHERE,
): Named {
  return { name, clients, networks };
}

function admitted(who: Peer, ...list: Named[]): string | undefined {
  return compileAuthorizations(list)(who)?.name;
}

test("clients are admitted by identity", () => {
  const names = new Set(["web.ns.sa"]);
  const one = allow("one", { kind: "identities", names, suffixes: [] });
  const ns = allow("ns", { kind: "identities", names: new Set(), suffixes: [".ns.sa"] });
  const any = allow("any", { kind: "identities", names: new Set(), suffixes: [""] });
  assert.equal(admitted(peer("web.ns.sa"), one, ns, any), "one");
  assert.equal(admitted(peer("api.ns.sa"), one, ns, any), "ns");
  assert.equal(admitted(peer("api.other.sa"), one, ns, any), "any");
  assert.equal(admitted(peer("evilns.sa"), ns), undefined);
  assert.equal(admitted(peer(), one, ns, any), undefined);
  assert.equal(admitted(peer(), allow("tls", { kind: "tls" })), undefined);
  assert.equal(admitted(peer(""), allow("tls", { kind: "tls" })), "tls", "TLS without identity");
  assert.equal(admitted(peer(""), any), undefined);
});

test("clients are admitted by network", () => {
  const ten = allow("ten", { kind: "anybody" }, [
    { net: { ip: "10.0.0.0", prefix: 8 }, except: [{ ip: "10.1.0.0", prefix: 16 }] },
    { net: { ip: "fd00::", prefix: 8 }, except: [] },
  ]);
  assert.equal(admitted(peer(undefined, "10.0.0.1"), ten), "ten");
  assert.equal(admitted(peer(undefined, "::ffff:10.0.0.1"), ten), "ten");
  assert.equal(admitted(peer(undefined, "10.1.2.3"), ten), undefined);
  assert.equal(admitted(peer(undefined, "11.0.0.1"), ten), undefined);
  assert.equal(admitted(peer(undefined, "fd00::1"), ten), "ten");
  assert.equal(admitted(peer(undefined, "fe80::1"), ten), undefined);
});

test("a request goes to the service of its authorization, which is bound once", async () => {
  const bound: string[] = [];
  const denied: string[] = [];
  const service = authorize(
    [allow("mesh", { kind: "identities", names: new Set(), suffixes: [""] })],
    ({ name }) => {
      bound.push(name);
      return async () => response(200, ["x-authz", name]);
    },
    {
      loopback: allow("loopback", { kind: "anybody" }),
      onDeny: (who) => denied.push(who.remote.ip),
    },
  );
  const ask = async (who: Peer) =>
    header((await service(request({ peer: who }))).headers, "x-authz");
  const [web, local, stranger] = [peer("web"), peer(undefined, "127.0.0.1"), peer()];
  for (let i = 0; i < 2; i++) {
    assert.equal(await ask(web), "mesh");
    assert.equal(await ask(local), "loopback");
    await assert.rejects(ask(stranger), {
      code: "forbidden",
      message:
        "unauthorized request: no authorization admits a client without identity from 10.0.0.1",
    });
  }
  assert.equal(await ask(peer("api")), "mesh");
  assert.deepEqual(bound, ["mesh", "loopback"]);
  assert.deepEqual(denied, ["10.0.0.1", "10.0.0.1"]);
});

test("the application learns the identity that was proved, and no other", async () => {
  const upstream = scripted(() => response());
  await clientId(upstream)(request({ peer: peer("web"), headers: ["L5d-Client-Id", "admin"] }));
  await clientId(upstream)(
    request({ headers: ["l5d-client-id", "admin", "l5d-client-id", "root"] }),
  );
  assert.deepEqual(
    upstream.seen.map(({ headers }) => headers),
    [["L5d-Client-Id", "web"], []],
  );
});

test("a peer of another identity than required is refused", async () => {
  const upstream = scripted(() => response());
  const ask = (id: string | undefined) =>
    requireId(id)(upstream)(request({ headers: ["l5d-require-id", "web"] }));
  await ask("web");
  assert.deepEqual(upstream.seen[0]!.headers, []);
  await assert.rejects(ask("api"), { code: "identity-required", message: /but it is api/ });
  await assert.rejects(ask(undefined), { code: "identity-required", message: /has none/ });
  await requireId(undefined)(upstream)(request());
});

test("rates are limited in all, for each client, and for those named", async () => {
  const clock = new VirtualClock();
  const limited: string[] = [];
  const service = ratelimit(
    { totalRps: 8, identityRps: 2, overrides: [{ rps: 5, identities: ["big", "bigger"] }] },
    { clock, onLimit: (scope) => limited.push(scope) },
  )(scripted(() => response()));
  const passed = async (identity: string | undefined, n: number) => {
    let ok = 0;
    for (let i = 0; i < n; i++) {
      await service(request({ peer: peer(identity) })).then(
        () => (ok += 1),
        ({ code }) => assert.equal(code, "rate-limited"),
      );
    }
    return ok;
  };
  assert.equal(await passed("web", 3), 2);
  assert.equal(await passed("big", 3), 3);
  assert.equal(await passed("bigger", 3), 2, "those of one override share it");
  assert.equal(await passed(undefined, 3), 1, "the total is used up");
  assert.deepEqual(limited, ["identity", "identity", "total", "identity"]);
  clock.advance(500);
  assert.equal(await passed("web", 3), 1, "half a second brings half of it back");
});
