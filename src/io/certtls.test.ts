// TLS with certificates from files: whom a server lets in that wants a certificate of its clients.

import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { connect } from "node:tls";
import { authority } from "../../test/support/authority.ts";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { acceptCerts, certContext } from "./certtls.ts";
import { listen } from "./listen.ts";

const [ours, theirs] = [await authority(), await authority()];
const server = await ours.certify("server");
const clients = {
  ours: await ours.certify("client"),
  theirs: await theirs.certify("client"),
  none: undefined,
};

/** What a server that asks for certificates makes of a client: its identity, or the code of the fault. */
async function meets(
  t: TestContext,
  who: keyof typeof clients,
  requiresClients: boolean,
): Promise<string> {
  const context = certContext({
    cert: server.certPem,
    key: server.keyPem,
    ca: server.rootsPem,
  });
  const found = Promise.withResolvers<string>();
  const listening = await listen({ ip: "127.0.0.1", port: 0 }, {}, (conn) => {
    const options = { clock: systemClock, timeoutMs: 5000 };
    acceptCerts(conn, { context, asksClients: true, requiresClients }, options).then(
      ({ peer }) => found.resolve(peer.tls.kind === "true" ? peer.tls.identity : peer.tls.kind),
      (error: unknown) => found.resolve(Fault.from(error).code),
    );
  });
  t.after(() => listening.close());
  const own = clients[who];
  const socket = connect({
    port: listening.addr.port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    ...(own && { cert: own.certPem, key: own.keyPem }),
  });
  socket.on("error", () => {});
  t.after(() => socket.destroy());
  return found.promise;
}

test("a server that requires certificates takes only those of its own roots", async (t) => {
  assert.equal(await meets(t, "ours", true), "client");
  assert.equal(await meets(t, "theirs", true), "unauthenticated");
  assert.equal(await meets(t, "none", true), "unauthenticated");
});

test("a server that asks for certificates believes only those of its own roots", async (t) => {
  assert.equal(await meets(t, "ours", false), "client");
  assert.equal(await meets(t, "theirs", false), "");
  assert.equal(await meets(t, "none", false), "");
});
