// Resumed TLS on real sockets: it keeps who the peers are, and ends with what they were believed for.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { type Authority, authority } from "../../test/support/authority.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import type { Conn } from "./conn.ts";
import { dial } from "./dial.ts";
import { listen } from "./listen.ts";
import { acceptTls, startTls, Ticket, type Credentials } from "./tls.ts";

const DAY_MS = 86_400_000;
const options = { clock: systemClock, timeoutMs: 5000 };

type Met = { readonly resumed: boolean; readonly said: string };

/** A server that tells clients who they are, with credentials and a clock that change under way. */
class Server {
  readonly credentials: Credentials;
  own: Credentials;
  lateMs = 0;
  readonly refused: string[] = [];
  readonly #listening;

  constructor(credentials: Credentials) {
    this.credentials = this.own = credentials;
    const clock: Clock = {
      now: () => systemClock.now(),
      wall: () => systemClock.wall() + this.lateMs,
      after: (ms, fn) => systemClock.after(ms, fn),
      every: (ms, fn) => systemClock.every(ms, fn),
    };
    this.#listening = listen({ ip: "127.0.0.1", port: 0 }, {}, (conn) => {
      const none = Buffer.alloc(0);
      acceptTls(conn, this.own, { ...options, clock }, none, true).then(
        (tls) => {
          tls.write(tls.peer.tls.kind === "true" ? tls.peer.tls.identity : "");
          tls.end();
        },
        (error: Error) => this.refused.push(error.message),
      );
    });
  }

  /** One connection of `client`, who expects `name` here. */
  async meet(client: Credentials, ticket: Ticket, name = this.credentials.name): Promise<Met> {
    const { addr } = await this.#listening;
    const server = { id: name, serverName: name };
    const conn = await startTls(await dial(addr, options), client, server, options, ticket);
    const resumed = (conn.socket as TLSSocket).isSessionReused();
    return { resumed, said: await all(conn) };
  }

  async close(): Promise<void> {
    (await this.#listening).close();
  }
}

function all(conn: Conn): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const over = (): void => {
      conn.destroy();
      resolve(text);
    };
    conn.start({
      read: (chunk) => (text += chunk.toString()),
      end: over,
      closed: over,
      drained: () => {},
    });
  });
}

async function ends(): Promise<{ ca: Authority; client: Credentials; server: Server }> {
  const ca = await authority();
  const server = new Server(await ca.certify("emoji.example"));
  return { ca, server, client: await ca.certify("web.example") };
}

test("a later connection resumes, and both sides are who they were", async () => {
  const { server, client } = await ends();
  const ticket = new Ticket();
  assert.deepEqual(await server.meet(client, ticket), { resumed: false, said: "web.example" });
  assert.deepEqual(await server.meet(client, ticket), { resumed: true, said: "web.example" });
  assert.deepEqual(await server.meet(client, ticket), { resumed: true, said: "web.example" });
  await server.close();
});

test("new credentials of either side end what was resumed", async () => {
  const { ca, server, client } = await ends();
  const ticket = new Ticket();
  await server.meet(client, ticket);
  server.own = await ca.certify("emoji.example");
  assert.equal((await server.meet(client, ticket)).resumed, false);
  assert.equal((await server.meet(client, ticket)).resumed, true);
  // The same certificate, among other anchors.
  server.own = {
    ...server.own,
    rootsPem: `${server.own.rootsPem}\n${(await authority()).rootsPem}`,
  };
  assert.equal((await server.meet(client, ticket)).resumed, false);
  assert.equal((await server.meet({ ...client }, ticket)).resumed, false);
  await server.close();
});

test("a client whose anchor is no longer believed is refused, ticket or not", async () => {
  const { server, client } = await ends();
  const ticket = new Ticket();
  await server.meet(client, ticket);
  const others = await authority();
  server.own = { ...server.own, rootsPem: others.rootsPem };
  assert.deepEqual(await server.meet(client, ticket), { resumed: false, said: "" });
  assert.match(server.refused[0]!, /certificate is refused/);
  await server.close();
});

test("who was refused is refused again, whatever it remembers", async () => {
  const { server, client } = await ends();
  const others = await authority();
  const mallory = { ...(await others.certify("web.example")), rootsPem: client.rootsPem };
  const ticket = new Ticket();
  for (let n = 0; n < 3; n++) assert.equal((await server.meet(mallory, ticket)).said, "");
  assert.equal(server.refused.length, 3);
  await server.close();
});

test("a certificate that has expired since is refused", async () => {
  const { server, client } = await ends();
  const ticket = new Ticket();
  await server.meet(client, ticket);
  server.lateMs = 2 * DAY_MS;
  assert.deepEqual(await server.meet(client, ticket), { resumed: true, said: "" });
  assert.match(server.refused[0]!, /it has expired/);
  await server.close();
});

test("another server does not resume, and has to prove its name", async () => {
  const { ca, server, client } = await ends();
  const ticket = new Ticket();
  await server.meet(client, ticket);
  const other = new Server(await ca.certify("voting.example"));
  await assert.rejects(other.meet(client, ticket, "emoji.example"), /voting\.example, not emoji/);
  // Nor does it leave anything that would vouch for it later.
  await assert.rejects(other.meet(client, ticket, "emoji.example"), /voting\.example, not emoji/);
  assert.equal((await server.meet(client, ticket)).resumed, true);
  await Promise.all([server.close(), other.close()]);
});
