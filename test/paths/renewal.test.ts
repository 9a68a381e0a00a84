// Renewals of the certificate: at 70 % of its life, and soon when another issuer signs.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { VirtualClock } from "../../src/base/clock.ts";
import { log } from "../../src/base/log.ts";
import { Registry } from "../../src/base/metrics.ts";
import { seededRandom } from "../../src/base/random.ts";
import { certify } from "../../src/control/identity.ts";
import { newAuthority, parseIssuer } from "../../src/control/issuer.ts";
import { Identity } from "../../src/proxy/identity.ts";

const NAME = "web.ns.serviceaccount.identity.linkerd.cluster.local";
const DAY_MS = 86_400_000;

test("a certificate is renewed in time, and soon when another issuer signs", async (t) => {
  const clock = new VirtualClock();
  const dir = mkdtempSync(join(tmpdir(), "identity-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const tokenFile = join(dir, "token");
  writeFileSync(tokenFile, "token");
  const issuerOf = async (name: string) => {
    const pem = await newAuthority(name, 100 * DAY_MS, clock);
    return parseIssuer({ anchorsPem: pem.certPem, ...pem });
  };
  let issuer = await issuerOf("first");
  const hashOf = (): Buffer =>
    createHash("sha256").update(new Uint8Array(issuer.certificate.rawData)).digest();
  let asked = 0;
  const identity = new Identity({
    name: NAME,
    dir: undefined,
    tokenFile,
    certify: async (name, token, csr) => {
      asked++;
      const review = async () => ({ namespace: "ns", serviceAccount: "web" });
      const options = { issuer, trustDomain: "cluster.local", review, clock };
      const { leaf, intermediates, validUntilMs } = await certify(
        name,
        token.toString(),
        csr,
        options,
      );
      return { chain: [leaf, ...intermediates], validUntilMs };
    },
    minRefreshMs: 10_000,
    maxRefreshMs: DAY_MS,
    clock,
    random: seededRandom(1),
    registry: new Registry(clock),
    logger: log.logger("test"),
  });
  t.after(() => identity.close());
  const renewed = async (): Promise<void> => {
    const { certPem } = identity.certificate.value!;
    await identity.certificate.next((now) => now.certPem !== certPem);
  };
  await identity.certificate.next();
  assert.equal(asked, 1);

  identity.expect(hashOf());
  clock.advance(0.6 * DAY_MS);
  assert.equal(asked, 1);
  const inTime = renewed();
  clock.advance(0.2 * DAY_MS);
  await inTime;
  assert.equal(asked, 2);

  issuer = await issuerOf("second");
  const soon = renewed();
  identity.expect(hashOf());
  clock.advance(30_000);
  await soon;
  assert.equal(asked, 3);
  identity.expect(hashOf());
  clock.advance(60_000);
  assert.equal(asked, 3);

  // Another issuer takes over while a certificate by the one before is on its way.
  const third = await issuerOf("third");
  const late = renewed();
  clock.advance(0.8 * DAY_MS);
  assert.equal(asked, 4);
  issuer = third;
  identity.expect(hashOf());
  await late;
  const again = renewed();
  clock.advance(30_000);
  await again;
  assert.equal(asked, 5);
});
