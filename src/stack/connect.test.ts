// Endpoints that cannot be reached: dialled again in the background, and one connection for many requests.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import { pass, request, response, turn } from "../../test/support/messages.ts";
import { Connector, type HttpClient, Multiplexed } from "./connect.ts";
import { HttpEndpoint } from "./endpoint.ts";

type Link = { id: number; closed: boolean };

function world() {
  const clock = new VirtualClock();
  const endpoint = new HttpEndpoint({ ip: "a", port: 80, weight: 1, labels: {} }, { clock });
  const state = { up: true, dials: 0, links: [] as Link[] };
  const dial = async (): Promise<Link> => {
    state.dials += 1;
    if (!state.up) throw new Fault("connect-failed", "connection refused");
    const link = { id: state.dials, closed: false };
    state.links.push(link);
    return link;
  };
  const connector = new Connector(endpoint, dial, {
    clock,
    random: seededRandom(1),
    backoff: { minMs: 100, maxMs: 1000, jitter: 0 },
    isClosed: (link) => link.closed,
    close: (link) => (link.closed = true),
  });
  return { clock, endpoint, state, connector };
}

test("a dial that fails shuts the endpoint, which opens when a dial in the background succeeds", async () => {
  const { clock, endpoint, state, connector } = world();
  state.up = false;
  await assert.rejects(connector.dial(), { code: "connect-failed" });
  assert.equal(endpoint.unreachable?.fault.message, "connection refused");
  await pass(clock, 100);
  assert.equal(state.dials, 2);
  await pass(clock, 199);
  assert.equal(state.dials, 2, "the pause has doubled");
  state.up = true;
  await pass(clock, 1);
  assert.equal(endpoint.ready, true);
  assert.equal((await connector.dial()).id, 3, "the connection that brought it back is used");
  assert.equal((await connector.dial()).id, 4);
});

test("a connection that closed while it waited is not used", async () => {
  const { clock, state, connector } = world();
  state.up = false;
  await assert.rejects(connector.dial());
  state.up = true;
  await pass(clock, 100);
  state.links[0]!.closed = true;
  assert.equal((await connector.dial()).id, 3);
});

test("dials that fail together are repeated once", async () => {
  const { clock, state, connector } = world();
  state.up = false;
  await Promise.allSettled([connector.dial(), connector.dial(), connector.dial()]);
  await pass(clock, 100);
  assert.equal(state.dials, 4);
});

test("an endpoint that closes is not dialled any more, and its spare connection is closed", async () => {
  const { clock, endpoint, state, connector } = world();
  state.up = false;
  await assert.rejects(connector.dial());
  state.up = true;
  await pass(clock, 100);
  endpoint.close();
  assert.equal(state.links[0]!.closed, true);
  const other = world();
  other.state.up = false;
  await assert.rejects(other.connector.dial());
  other.endpoint.close();
  await pass(other.clock, 60_000);
  assert.equal(other.state.dials, 1);
});

type FakeClient = HttpClient & { draining: boolean; closed: boolean; sent: number };

function fakeClient(): FakeClient {
  return {
    draining: false,
    fault: undefined,
    closed: false,
    sent: 0,
    async request() {
      this.sent += 1;
      return response();
    },
    close() {
      this.closed = true;
    },
  };
}

test("requests share one client, dialled once, and a new one when it drains", async () => {
  const clients: FakeClient[] = [];
  const multiplexed = new Multiplexed(async () => {
    clients.push(fakeClient());
    return clients.at(-1)!;
  });
  await Promise.all([multiplexed.service(request()), multiplexed.service(request())]);
  await multiplexed.service(request());
  assert.deepEqual(
    clients.map(({ sent }) => sent),
    [3],
  );
  clients[0]!.draining = true;
  await multiplexed.service(request());
  assert.deepEqual(
    clients.map(({ sent }) => sent),
    [3, 1],
  );
  multiplexed.close();
  assert.equal(clients[1]!.closed, true);
});

test("a request that is cancelled while the client is dialled is not sent", async () => {
  const client = fakeClient();
  let connected = (_: HttpClient): void => {};
  const multiplexed = new Multiplexed(() => new Promise((resolve) => (connected = resolve)));
  const req = request();
  const sent = multiplexed.service(req);
  req.cancel(new Fault("cancelled", "gone", { side: "client" }));
  await assert.rejects(sent, { code: "cancelled" }, "without waiting for the connection");
  connected(client);
  await turn();
  assert.equal(client.sent, 0);
});
