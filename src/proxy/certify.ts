// Asking the identity service to sign.

import { Identity } from "../../proto/gen/identity_pb.js";
import { Fault } from "../base/fault.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import type { HttpService } from "../stack/types.ts";
import type { ControlOptions } from "./controlclient.ts";
import type { Certify } from "./identity.ts";

const TIMEOUT_MS = 10_000;

/** The call `Certify` of the identity service behind `service`. */
export function certifyBy(service: HttpService, { addr, clock }: ControlOptions): Certify {
  const client = grpcClient(Identity, service, `${addr.host}:${addr.port}`, { clock });
  return async (identity, token, csr) => {
    const request = { identity, token, certificateSigningRequest: csr };
    const reply = await client.certify(request, { timeoutMs: TIMEOUT_MS });
    const { leafCertificate, intermediateCertificates, validUntil } = reply;
    if (validUntil === undefined)
      throw new Fault("protocol", "the certificate comes without its end");
    const validUntilMs = Number(validUntil.seconds) * 1000 + validUntil.nanos / 1e6;
    return { chain: [leafCertificate, ...intermediateCertificates], validUntilMs };
  };
}
