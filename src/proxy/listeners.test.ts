// What the settings say of accepted connections, on real sockets.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import type { Conn } from "../io/conn.ts";
import { hasSocketOptions, socketOption } from "../io/sockopt.ts";
import { parseSettings } from "./env.ts";
import { bindListeners } from "./listeners.ts";

const IP = "127.0.0.1";
const [IPPROTO_TCP, TCP_USER_TIMEOUT] = [6, 18];
const NEEDED = {
  LINKERD2_PROXY_DESTINATION_SVC_ADDR: "localhost:1",
  LINKERD2_PROXY_POLICY_SVC_ADDR: "localhost:1",
  LINKERD2_PROXY_POLICY_WORKLOAD: "test",
  LINKERD2_PROXY_IDENTITY_SVC_ADDR: "localhost:1",
  LINKERD2_PROXY_IDENTITY_TOKEN_FILE: "none",
  LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: "none",
  LINKERD2_PROXY_IDENTITY_LOCAL_NAME: "test",
};

test(
  "an accepted connection is given up when its client acknowledges nothing for long",
  {
    skip: !hasSocketOptions,
  },
  async () => {
    const settings = parseSettings({
      ...NEEDED,
      LINKERD_PROXY_INBOUND_ORIGINAL_IP: IP,
      LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${IP}:0`,
      LINKERD2_PROXY_INBOUND_ACCEPT_USER_TIMEOUT: "7s",
    });
    const serve = async () => {};
    const traffic = { inbound: serve, outbound: serve, httpProxy: serve };
    const servers = { ...traffic, admin: undefined, tap: undefined };
    const accepted = Promise.withResolvers<Conn>();
    const { addrs, close } = await bindListeners(settings, servers, accepted.resolve, false);
    const client = connect(addrs.inbound.port, IP);
    await once(client, "connect");
    const conn = await accepted.promise;
    const value = Buffer.alloc(4);
    assert.ok(socketOption(conn.socket, IPPROTO_TCP, TCP_USER_TIMEOUT, value));
    assert.equal(value.readUInt32LE(), 7000);
    close();
    conn.destroy();
    client.destroy();
  },
);
