// Answers of a hostile control plane: what a proxy cannot use is refused with a Fault, and nothing else is thrown,
// whether the bytes are spoilt or the message is good in form and absurd in content.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { createSecureContext } from "node:tls";
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { DestinationProfileSchema, UpdateSchema } from "../../proto/gen/destination_pb.js";
import { CertifyResponseSchema } from "../../proto/gen/identity_pb.js";
import { ServerSchema } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicySchema } from "../../proto/gen/outbound_pb.js";
import { ObserveRequestSchema } from "../../proto/gen/tap_pb.js";
import { systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/fault.ts";
import { Log } from "../../src/base/log.ts";
import { Registry } from "../../src/base/metrics.ts";
import { systemRandom } from "../../src/base/random.ts";
import { endpointsFor } from "../../src/control/endpoints.ts";
import { updatesBetween } from "../../src/control/endpointsets.ts";
import { inboundFor } from "../../src/control/inbound.ts";
import { outboundFor } from "../../src/control/outbound.ts";
import { profileFor } from "../../src/control/profiles.ts";
import { AddressBook } from "../../src/proxy/address.ts";
import { Identity } from "../../src/proxy/identity.ts";
import { parseInboundPolicy } from "../../src/proxy/inboundpolicy.ts";
import { parseOutboundPolicy } from "../../src/proxy/outboundpolicy.ts";
import { parseProfile } from "../../src/proxy/profile.ts";
import { compileTap } from "../../src/proxy/tapmatch.ts";
import { byRoute } from "../../src/stack/route.ts";
import { request, response } from "../support/messages.ts";
import { worldFrom } from "../support/world.ts";
import { anyBytes } from "./anymessage.ts";
import { fuzz } from "./fuzz.ts";
import { WORLD } from "./hostileworld.ts";

const world = worldFrom(WORLD);
const web = world.Service.get("ns/web")!;
const REQ = request({ path: "/a/b?c=d", headers: ["x-a", "b", "host", "web"] });
const address = { ip: "10.96.0.1", port: 80 };

answers("outbound policies", OutboundPolicySchema, [outboundFor(world, address, "ns")], (wire) => {
  const { protocol } = parseOutboundPolicy(wire);
  const parts = protocol.kind === "detect" ? [protocol.http1, protocol.http2] : [];
  for (const { routes } of "http" in protocol ? [protocol.http] : parts) {
    byRoute(routes, () => async () => response())(REQ).catch(() => {});
  }
});

const CLIENT = { namespace: "", nodeName: "" };
const PORTS = [8080, 3306];
const servers = PORTS.map((port) => inboundFor(world, { namespace: "ns", pod: "web-1" }, port));
answers("inbound policies", ServerSchema, servers, (wire) => parseInboundPolicy(wire));

const endpoints = updatesBetween(undefined, endpointsFor(world, web, 80, CLIENT));
const book = new AddressBook();
answers("endpoints", UpdateSchema, endpoints, (wire) => {
  const { addresses } = book.apply(wire);
  for (const { port } of addresses.values()) assert.ok(port >= 0 && port <= 65_535, `port ${port}`);
  if (addresses.size > 1_000) book.apply(fromBinary(UpdateSchema, Buffer.from("1a020801", "hex")));
});

const profiles = ["web.ns.svc.cluster.local:80", "127.95.0.1:8080"];
const known = profiles.map((path) => profileFor(world, path, CLIENT));
answers("profiles", DestinationProfileSchema, known, (wire) => parseProfile(wire));

answers("what a tap asks for", ObserveRequestSchema, [], (wire) => {
  compileTap(wire.match)({ req: REQ } as never, { destination: address, labels: {} } as never);
});

const silent = new Log();
silent.filter = "off";
const folder = mkdtempSync(join(tmpdir(), "fuzz-identity-"));
const tokenFile = join(folder, "token");
writeFileSync(tokenFile, "token");
after(() => rmSync(folder, { recursive: true }));

fuzz(
  "certificates",
  [],
  async (input) => {
    const wire = decoded(CertifyResponseSchema, input);
    if (wire === undefined) return;
    const asked = Promise.withResolvers<void>();
    const identity = new Identity({
      name: "web.ns.serviceaccount.identity.linkerd.cluster.local",
      dir: undefined,
      tokenFile,
      certify: async () => {
        setImmediate(asked.resolve);
        const validUntilMs = Number(wire.validUntil?.seconds ?? 0n) * 1_000;
        return { chain: [wire.leafCertificate, ...wire.intermediateCertificates], validUntilMs };
      },
      minRefreshMs: 1_000,
      maxRefreshMs: 1_000,
      clock: systemClock,
      random: systemRandom,
      registry: new Registry(systemClock),
      logger: silent.logger("fuzz"),
    });
    await asked.promise;
    const certificate = identity.certificate.state;
    if (certificate.kind === "ok") createSecureContext({ cert: certificate.value.certPem });
    identity.close();
  },
  (_, random) => anyBytes(CertifyResponseSchema, [], random),
);

/** A test that `use` takes whatever messages of `desc` there are, the good ones among them, or refuses with a Fault. */
function answers<D extends DescMessage>(
  name: string,
  desc: D,
  good: readonly MessageShape<D>[],
  use: (wire: MessageShape<D>) => void,
): void {
  const seeds = good.map((message) => Buffer.from(toBinary(desc, message)));
  for (const message of good) use(message);
  const check = (input: Buffer): void => {
    const wire = decoded(desc, input);
    if (wire === undefined) return;
    try {
      use(wire);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
    }
  };
  fuzz(name, seeds, check, (all, random) => anyBytes(desc, all, random));
}

/** The message; undefined for bytes that are none. */
function decoded<D extends DescMessage>(desc: D, input: Buffer): MessageShape<D> | undefined {
  try {
    return fromBinary(desc, input);
  } catch {
    return undefined;
  }
}
