// Certificate requests, as a well-known library reads them.

import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import { newKeyAndCsr } from "./csr.ts";

// The library's injection container insists on a reflection polyfill that its own classes do not use.
Object.assign(Reflect, { getMetadata: () => undefined, getOwnMetadata: () => undefined });
const { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } =
  await import("@peculiar/x509");

for (const [type, name] of [
  ["dns", "web.emojivoto.serviceaccount.identity.linkerd.cluster.local"],
  ["url", `spiffe://root.linkerd.cluster.local/${"long-name/".repeat(20)}workload`],
] as const) {
  test(`a request carries one ${type} name and its own signature`, async () => {
    const { keyPem, csr } = newKeyAndCsr(name);
    const request = new Pkcs10CertificateRequest(csr);
    assert.equal(request.subject, "");
    assert.equal(await request.verify(), true);
    const [extension] = request.extensions;
    const san = new SubjectAlternativeNameExtension(extension!.rawData);
    assert.deepEqual(san.names.toJSON(), [{ type, value: name }]);
    assert.equal(createPrivateKey(keyPem).asymmetricKeyDetails?.namedCurve, "prime256v1");
  });
}
