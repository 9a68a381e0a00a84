// A workload's certificate from an agent on a Unix socket, as SPIRE serves it.

import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { SpiffeWorkloadAPI } from "../../proto/gen/workload_pb.js";
import { authority } from "../../test/support/authority.ts";
import { systemClock as clock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { Conn } from "../io/conn.ts";
import { serveH2 } from "../io/h2server.ts";
import { grpcService, implement } from "../stack/grpcserver.ts";
import type { HttpService } from "../stack/types.ts";
import { header } from "../wire/headers.ts";
import { watchSvid } from "./spire.ts";

const NOWHERE = { ip: "127.0.0.1", port: 0 };
const PEER = {
  remote: NOWHERE,
  local: NOWHERE,
  original: NOWHERE,
  tls: { kind: "no_identity", reason: "loopback" },
} as const;

test("the agent's first identity, and each renewal of it", async (t) => {
  const ca = await authority();
  const first = await ca.certify("one.example");
  const second = await ca.certify("two.example");
  const der = (pem: string): Uint8Array => new Uint8Array(new X509Certificate(pem).raw);
  const svidOf = ({ certPem, keyPem }: typeof first) => ({
    spiffeId: "spiffe://example/web",
    x509Svid: new Uint8Array([...der(certPem), ...der(ca.rootsPem)]),
    x509SvidKey: new Uint8Array(createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" })),
  });
  let renew = (): void => {};
  const service = grpcService(
    [
      implement(SpiffeWorkloadAPI, {
        fetchX509SVID: (_, call) => {
          assert.equal(header(call.req.headers, "workload.spiffe.io"), "true");
          return (outlet) => {
            outlet.send({ svids: [svidOf(first)] });
            renew = () => void outlet.send({ svids: [svidOf(second)] });
            return () => {};
          };
        },
      }),
    ],
    { clock },
  );
  const { path } = await agentWith(t, service);
  const names: string[] = [];
  const svid = watchSvid(`unix://${path}`, clock, systemRandom);
  const close = svid.each(({ certPem }) => names.push(new X509Certificate(certPem).subject));
  t.after(close);
  const got = await svid.next();
  assert.ok(new X509Certificate(got.certPem).checkPrivateKey(createPrivateKey(got.keyPem)));
  assert.equal(got.certPem.match(/BEGIN CERTIFICATE/g)?.length, 2);
  renew();
  await svid.next(() => names.length === 2);
  assert.deepEqual(names, ["CN=one.example", "CN=two.example"]);
});

test("an agent that has no answer is asked again, on one connection at a time", async (t) => {
  let asked = 0;
  const answers = Promise.withResolvers<void>();
  const service = grpcService(
    [
      implement(SpiffeWorkloadAPI, {
        fetchX509SVID: () => (outlet) => {
          if ((asked += 1) === 3) answers.resolve();
          else outlet.send({ svids: [] });
          return () => {};
        },
      }),
    ],
    { clock },
  );
  const { path, sockets } = await agentWith(t, service);
  const close = watchSvid(path, clock, systemRandom).observe(() => {});
  t.after(close);
  await answers.promise;
  assert.equal(sockets.size, 1);
});

/** An agent at a path of its own, with its open connections. */
async function agentWith(
  t: TestContext,
  service: HttpService,
): Promise<{ path: string; sockets: Set<Socket> }> {
  const path = join(tmpdir(), `spire-${process.pid}-${paths++}.sock`);
  const sockets = new Set<Socket>();
  const agent = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serveH2(new Conn(socket, PEER), service, { clock });
  });
  await new Promise<void>((resolve) => agent.listen(path, resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    agent.close();
    rmSync(path, { force: true });
  });
  return { path, sockets };
}

let paths = 0;
