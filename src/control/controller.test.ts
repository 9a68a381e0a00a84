// The controller over real gRPC: streams follow the world, refusals carry their status, certificates are
// signed, and it closes.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { podYaml, storeFrom } from "../../test/support/world.ts";
import { Destination } from "../../proto/gen/destination_pb.js";
import { Identity } from "../../proto/gen/identity_pb.js";
import { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import { systemClock } from "../base/clock.ts";
import { constant } from "../base/watch.ts";
import { dial as dialTcp } from "../io/dial.ts";
import { H2Client } from "../io/h2client.ts";
import type { Resources } from "../platform/resources.ts";
import { sliceChanges } from "../platform/slices.ts";
import { put } from "../platform/store.ts";
import { Tokens } from "../platform/tokens.ts";
import { AddressBook } from "../proxy/address.ts";
import { newKeyAndCsr } from "../proxy/csr.ts";
import type { GrpcFault } from "../stack/grpc.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import { startController } from "./controller.ts";
import { openIssuer } from "./issuer.ts";
import { DEFAULT_SETTINGS } from "./world.ts";

const WORLD = [
  `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{port: 80, targetPort: http}]}
`,
  podYaml("web-1", "10.1.0.1"),
].join("---");

const clock = systemClock;
// Of this run's own, so that several may test at once.
const IP = `127.77.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
const ports = { destination: 28186, policy: 28190, identity: 28180, admin: 28199 };

test("a controller serves what the world says", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "controller-"));
  const store = storeFrom(WORLD);
  const tokens = new Tokens(Buffer.alloc(32, 7), clock);
  const resources: Resources = {
    watch: (kind) => store.watch(kind),
    reviewToken: async (token, audience) => tokens.review(token, audience),
    writeStatus: async () => {},
  };
  const { issuer } = await openIssuer(dir, "cluster.local", clock);
  const at = (port: number) => ({ ip: IP, port });
  const controller = await startController({
    resources,
    settings: DEFAULT_SETTINGS,
    issuer: constant(issuer),
    clock,
    listen: {
      destination: at(ports.destination),
      policy: at(ports.policy),
      identity: at(ports.identity),
      admin: at(ports.admin),
    },
  });
  const dial = async (port: number) => {
    const h2 = new H2Client(await dialTcp(at(port), { clock, timeoutMs: 1000 }), { clock });
    t.after(() => h2.conn.destroy());
    return (req: Parameters<typeof h2.request>[0]) => h2.request(req);
  };
  t.after(async () => {
    await controller.close(0);
    rmSync(dir, { recursive: true });
  });

  const dst = grpcClient(Destination, await dial(ports.destination), "dst:1", { clock });
  const policies = await dial(ports.policy);

  await t.test("endpoints follow pods", async () => {
    const book = new AddressBook();
    const keys = (): string[] => [...addresses.keys()].sort();
    const path = "web.ns.svc.cluster.local:80";
    const updates = dst
      .get({ path, contextToken: '{"ns":"client","nodeName":"n"}' })
      [Symbol.asyncIterator]();
    let { addresses } = book.apply((await updates.next()).value!);
    assert.deepEqual(keys(), ["10.1.0.1:8080"]);
    const [more] = storeFrom(podYaml("web-2", "10.1.0.2")).all("Pod").values();
    store.put(more!);
    store.apply(sliceChanges(store).put.map(put));
    ({ addresses } = book.apply((await updates.next()).value!));
    assert.deepEqual(keys(), ["10.1.0.1:8080", "10.1.0.2:8080"]);
    store.remove("Pod", "ns/web-1");
    store.apply(sliceChanges(store).put.map(put));
    ({ addresses } = book.apply((await updates.next()).value!));
    assert.deepEqual(keys(), ["10.1.0.2:8080"]);
    await updates.return?.();
  });

  await t.test("what is not there is refused with its status", async () => {
    const first = (path: string) => dst.get({ path })[Symbol.asyncIterator]().next();
    const status = (wanted: string) => (fault: GrpcFault) => fault.status === wanted;
    await assert.rejects(first("none.ns.svc.cluster.local:80"), status("NOT_FOUND"));
    await assert.rejects(first("example.com:80"), status("INVALID_ARGUMENT"));
  });

  await t.test("policies are served once and as streams", async () => {
    const outbound = grpcClient(OutboundPolicies, policies, "policy:1", { clock });
    const inbound = grpcClient(InboundServerPolicies, policies, "policy:1", { clock });
    const sourceWorkload = '{"ns":"client","pod":"c"}';
    const target = { case: "authority" as const, value: "web.ns.svc.cluster.local:80" };
    assert.equal((await outbound.get({ sourceWorkload, target })).protocol!.kind.case, "detect");
    const watch = inbound.watchPort({ workload: '{"ns":"ns","pod":"web-2"}', port: 8080 });
    const servers = watch[Symbol.asyncIterator]();
    assert.equal((await servers.next()).value!.labels["kind"], "default");
    const [server] = storeFrom(`
apiVersion: policy.linkerd.io/v1beta3
kind: Server
metadata: {name: web, namespace: ns}
spec: {podSelector: {matchLabels: {app: web}}, port: 8080}
`)
      .all("Server")
      .values();
    store.put(server!);
    assert.equal((await servers.next()).value!.labels["name"], "web");
    // A workload that goes away ends its stream with NOT_FOUND.
    store.remove("Pod", "ns/web-2");
    await assert.rejects(servers.next(), (fault: GrpcFault) => fault.status === "NOT_FOUND");
  });

  await t.test("certificates are signed for whoever the token proves", async () => {
    const client = grpcClient(Identity, await dial(ports.identity), "id:1", { clock });
    const name = "web.ns.serviceaccount.identity.linkerd.cluster.local";
    const token = Buffer.from(tokens.issue({ namespace: "ns", serviceAccount: "web" }));
    const request = {
      identity: name,
      token,
      certificateSigningRequest: new Uint8Array(newKeyAndCsr(name).csr),
    };
    const reply = await client.certify(request);
    assert.equal(reply.intermediateCertificates.length, 1);
    assert.ok(Number(reply.validUntil!.seconds) * 1000 > Date.now());
  });

  await t.test("the admin port answers", async () => {
    const get = async (path: string) => (await fetch(`http://${IP}:${ports.admin}${path}`)).text();
    assert.equal(await get("/ready"), "ready\n");
    assert.equal(await get("/live"), "live\n");
    assert.match(await get("/metrics"), /control_stream_messages_total\{method="Get"\} 3/);
  });
});
