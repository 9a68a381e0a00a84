// A workload's certificate from an agent on a Unix socket, as SPIRE serves it.

import assert from "node:assert/strict";
import { X509Certificate, createPrivateKey } from "node:crypto";
import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SpiffeWorkloadAPI } from "../../proto/gen/workload_pb.js";
import { authority } from "../../test/support/authority.ts";
import { systemClock as clock } from "../base/clock.ts";
import { systemRandom } from "../base/random.ts";
import { Conn } from "../io/conn.ts";
import { serveH2 } from "../io/h2server.ts";
import { grpcService, implement } from "../stack/grpcserver.ts";
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
  const path = join(tmpdir(), `spire-${process.pid}.sock`);
  const agent = createServer({ allowHalfOpen: true }, (socket) => {
    serveH2(new Conn(socket, PEER), service, { clock });
  });
  await new Promise<void>((resolve) => agent.listen(path, resolve));
  t.after(() => {
    agent.close();
    rmSync(path, { force: true });
  });
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
