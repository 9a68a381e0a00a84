import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { test } from "node:test";
import "reflect-metadata";
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { newKeyAndCsr } from "./csr.ts";

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
