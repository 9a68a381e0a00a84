// Addresses: what one carries, how updates add up, and that every address survives the wire.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { UpdateSchema } from "../../proto/gen/destination_pb.js";
import { AddressBook } from "./address.ts";
import { parseTcpAddress, printTcpAddress } from "./fromproto.ts";

const addr = (last: number) => ({ ip: { ipv4: 0x0a000000 + last }, port: 8080 });

function apply(book: AddressBook, json: JsonValue) {
  return book.apply(fromJson(UpdateSchema, json));
}

test("addresses carry their labels, identity and hints", () => {
  const set = apply(new AddressBook(), {
    add: {
      metricLabels: { namespace: "emojivoto" },
      addrs: [
        {
          addr: addr(1),
          weight: 10_000,
          metricLabels: { pod: "web-1" },
          tlsIdentity: { dnsLikeIdentity: { name: "web.id" }, serverName: { name: "web.sni" } },
          http2: { keepAlive: { interval: "10s", timeout: "3s", whileIdle: true } },
          protocolHint: { h2: {}, opaqueTransport: { inboundPort: 4143 } },
        },
      ],
    },
  });
  assert.deepEqual(set.addresses.get("10.0.0.1:8080"), {
    ip: "10.0.0.1",
    port: 8080,
    weight: 10_000,
    labels: { namespace: "emojivoto", pod: "web-1" },
    tls: { id: "web.id", serverName: "web.sni" },
    hint: "h2",
    transportPort: 4143,
    authority: undefined,
    keepAlive: { intervalMs: 10_000, timeoutMs: 3000 },
  });
});

test("updates add up, and what did not change stays the same value", () => {
  const book = new AddressBook();
  const first = apply(book, { add: { addrs: [{ addr: addr(1) }, { addr: addr(2) }] } });
  apply(book, { remove: { addrs: [addr(1)] } });
  const last = apply(book, { add: { addrs: [{ addr: addr(2) }, { addr: addr(3), weight: 1 }] } });
  assert.deepEqual([...last.addresses.keys()], ["10.0.0.2:8080", "10.0.0.3:8080"]);
  assert.equal(last.addresses.get("10.0.0.2:8080"), first.addresses.get("10.0.0.2:8080"));
  assert.equal(first.addresses.size, 2);
});

test("no endpoints is an empty set, or the news that there is no such destination", () => {
  const book = new AddressBook();
  apply(book, { add: { addrs: [{ addr: addr(1) }] } });
  const empty = apply(book, { noEndpoints: { exists: true } });
  assert.deepEqual([empty.exists, empty.addresses.size], [true, 0]);
  assert.equal(apply(book, { noEndpoints: { exists: false } }).exists, false);
});

for (const ip of [
  "0.0.0.0",
  "10.0.0.1",
  "255.255.255.255",
  "::1",
  "fd00:1:2::a",
  "1:2:3:4:5:6:7:8",
  "::ffff:10.0.0.1",
  "::254.1.2.3",
]) {
  test(`${ip} survives the wire`, () => {
    const sent = { ip, port: 443 };
    assert.deepEqual(parseTcpAddress(printTcpAddress(sent), "addr"), sent);
  });
}
