// Certificates: who gets one, what it says, and that the issuer's folder heals itself.

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import { Tokens } from "../platform/tokens.ts";
import { newKeyAndCsr } from "../proxy/csr.ts";
import { certify } from "./identity.ts";
import { openIssuer } from "./issuer.ts";

const NAME = "web.ns.serviceaccount.identity.linkerd.cluster.local";
const tokens = new Tokens(Buffer.alloc(32, 1), systemClock);
const token = tokens.issue({ namespace: "ns", serviceAccount: "web" });

function folder(t: { after(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), "issuer-"));
  t.after(() => rmSync(dir, { recursive: true }));
  return dir;
}

async function options(dir: string) {
  const { issuer } = await openIssuer(dir, "cluster.local", systemClock);
  return {
    issuer,
    trustDomain: "cluster.local",
    review: async (text: string, audience: string) => tokens.review(text, audience),
    clock: systemClock,
  };
}

test("a request with the right token gets a leaf that chains to the anchor", async (t) => {
  const opts = await options(folder(t));
  const { csr, keyPem } = newKeyAndCsr(NAME);
  const signed = await certify(NAME, token, csr, opts);
  const leaf = new X509Certificate(signed.leaf);
  const issuer = new X509Certificate(signed.intermediates[0]!);
  const anchor = new X509Certificate(opts.issuer.anchorsPem);
  assert.equal(leaf.subjectAltName, `DNS:${NAME}`);
  assert.ok(leaf.verify(issuer.publicKey) && issuer.verify(anchor.publicKey));
  assert.ok(issuer.ca && !leaf.ca && leaf.checkIssued(issuer) && issuer.checkIssued(anchor));
  assert.ok(keyPem.includes("PRIVATE KEY"));
  assert.equal(signed.validUntilMs, Date.parse(leaf.validTo));
  const lifetime = Date.parse(leaf.validTo) - Date.parse(leaf.validFrom);
  assert.equal(lifetime, 86_400_000 + 40_000);
});

test("what does not fit is refused", async (t) => {
  const opts = await options(folder(t));
  const { csr } = newKeyAndCsr(NAME);
  const other = "other.ns.serviceaccount.identity.linkerd.cluster.local";
  const refused = (code: number) => (fault: Fault) => (fault.detail ?? fault.meaning.grpc) === code;
  await assert.rejects(certify(other, token, csr, opts), refused(3));
  await assert.rejects(certify(other, token, newKeyAndCsr(other).csr, opts), refused(9));
  await assert.rejects(certify(NAME, token, Buffer.from("no csr"), opts), refused(3));
  await assert.rejects(certify(NAME, `${token}x`, csr, opts), refused(16));
  const forOthers = tokens.issue({ namespace: "ns", serviceAccount: "web" }, "elsewhere");
  await assert.rejects(certify(NAME, forOthers, csr, opts), refused(16));
});

test("names end with the namespace of the control plane", async (t) => {
  const opts = { ...(await options(folder(t))), controlNamespace: "mesh" };
  const name = "web.ns.serviceaccount.identity.mesh.cluster.local";
  assert.equal((await certify(name, token, newKeyAndCsr(name).csr, opts)).identity, name);
  await assert.rejects(
    certify(NAME, token, newKeyAndCsr(NAME).csr, opts),
    /the token is that of web.ns.*identity.mesh/,
  );
});

test("an issuer that has expired signs nothing, and says so", async (t) => {
  const opts = await options(folder(t));
  const nextYear = { ...systemClock, wall: () => Date.now() + 366 * 86_400_000 };
  const forNow = async () => ({ namespace: "ns", serviceAccount: "web" });
  await assert.rejects(
    certify(NAME, token, newKeyAndCsr(NAME).csr, { ...opts, clock: nextYear, review: forNow }),
    /the issuer expired on/,
  );
});

test("an issuer is kept, for its owner only, and made again when it is about to end", async (t) => {
  const dir = folder(t);
  const first = await openIssuer(dir, "cluster.local", systemClock);
  const again = await openIssuer(dir, "cluster.local", systemClock);
  assert.equal(first.notice, undefined);
  assert.equal(again.issuer.certificate.serialNumber, first.issuer.certificate.serialNumber);
  for (const name of ["anchors.pem", "anchor.key", "issuer.pem", "issuer.key"]) {
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600);
  }
  const in350Days = { ...systemClock, wall: () => Date.now() + 350 * 86_400_000 };
  const renewed = await openIssuer(dir, "cluster.local", in350Days);
  assert.notEqual(renewed.issuer.certificate.serialNumber, first.issuer.certificate.serialNumber);
  assert.equal(renewed.issuer.anchorsPem, first.issuer.anchorsPem);
  const in10Years = { ...systemClock, wall: () => Date.now() + 3640 * 86_400_000 };
  assert.match((await openIssuer(dir, "cluster.local", in10Years)).notice!, /anchor/);
  assert.notEqual(readFileSync(join(dir, "anchors.pem"), "utf8"), first.issuer.anchorsPem);
});
