// What issuers sign, as the TLS of Node judges it: while anchors change, an old anchor and the new issuer may have one
// name, and whoever trusts both anchors must find the right one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:tls";
import { test } from "node:test";
import type { AddressInfo } from "node:net";
import { systemClock } from "../base/clock.ts";
import { newAuthority, newKey, parseIssuer, signLeaf } from "./issuer.ts";

const HOUR_MS = 3_600_000;
const ISSUER = "identity.linkerd.cluster.local";

test("with both anchors, the certificates of an old and a new issuer of one name are good", async (t) => {
  const old = await newAuthority(ISSUER, HOUR_MS, systemClock);
  const root = await newAuthority("root.linkerd.cluster.local", HOUR_MS, systemClock);
  const above = await parseIssuer({ anchorsPem: root.certPem, ...root });
  const fresh = await newAuthority(ISSUER, HOUR_MS, systemClock, above);
  const both = old.certPem + root.certPem;
  for (const pem of [old, fresh]) {
    const issuer = await parseIssuer({ anchorsPem: both, ...pem });
    const { keyPem, publicKey } = await newKey();
    const times = { lifetimeMs: HOUR_MS, skewMs: 1000, nowMs: systemClock.wall() };
    const leaf = await signLeaf(issuer, "web.local", publicKey, times);
    const cert = `${leaf.toString("pem")}\n${pem.certPem}`;
    const server = createServer({ cert, key: keyPem }, (socket) => socket.end());
    t.after(() => server.close());
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1", ca: both, servername: "web.local" });
    await once(socket, "secureConnect");
    assert.equal(socket.authorized, true);
    socket.destroy();
  }
});

test("an issuer that no anchor has issued is refused", async () => {
  const [a, b] = [
    await newAuthority("a", HOUR_MS, systemClock),
    await newAuthority("b", HOUR_MS, systemClock),
  ];
  await assert.rejects(
    parseIssuer({ anchorsPem: a.certPem, ...b }),
    /no trust anchor has issued the issuer's certificate/,
  );
});
