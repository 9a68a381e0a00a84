// The workload's certificate from a SPIRE agent on this machine (SPIFFE Workload API over a Unix socket), in
// place of the identity service. The agent makes the key, pushes each renewal, and is asked again when it is away.

import { connect } from "node:net";
import { create } from "@bufbuild/protobuf";
import {
  SpiffeWorkloadAPI,
  X509SVIDRequestSchema,
  type X509SVIDResponse,
} from "../../proto/gen/workload_pb.js";
import { X509Certificate } from "node:crypto";
import { delays, exponential } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import { source, type Watch } from "../base/watch.ts";
import { Conn } from "../io/conn.ts";
import { H2Client } from "../io/h2client.ts";
import { SELF } from "../io/message.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import { printPem } from "./csr.ts";
import type { Certificate } from "./identity.ts";

const BACKOFF = exponential(100, 1000, 0.1);
const HEADERS = ["workload.spiffe.io", "true"];

/** The certificate of this workload; `path` is the agent's socket, with or without `unix:`. */
export function watchSvid(path: string, clock: Clock, random: Random): Watch<Certificate> {
  const socketPath = path.replace(/^unix:(\/\/)?/, "");
  return source((set) => {
    let open = true;
    let h2: H2Client | undefined;
    let again: Timer | undefined;
    const pauses = delays(BACKOFF, random);
    const run = async (): Promise<void> => {
      try {
        h2 = new H2Client(await dialUnix(socketPath), { clock });
        if (open) {
          await fetchSvids(h2, clock, (response) => {
            pauses.reset();
            set({ kind: "ok", value: certificateOf(response) });
          });
        }
      } catch (error) {
        if (open) set({ kind: "failed", fault: Fault.from(error) });
      }
      h2?.conn.destroy();
      if (open) again = clock.after(pauses.next(), () => void run());
    };
    void run();
    return () => {
      open = false;
      again?.cancel();
      h2?.conn.destroy();
    };
  });
}

function fetchSvids(
  h2: H2Client,
  clock: Clock,
  take: (response: X509SVIDResponse) => void,
): Promise<never> {
  const client = grpcClient(SpiffeWorkloadAPI, (req) => h2.request(req), "localhost", { clock });
  const messages = client.fetchX509SVID(create(X509SVIDRequestSchema), { headers: HEADERS });
  return new Promise((_, reject) => {
    messages.each(
      (response) => {
        try {
          take(response);
        } catch (error) {
          messages.cancel(
            new GrpcFault("CANCELLED", "the answer cannot be used", { cause: error }),
          );
          reject(Fault.from(error));
        }
      },
      (fault) => reject(fault ?? new Fault("unavailable", "the SPIRE agent ended the stream")),
    );
  });
}

function dialUnix(path: string): Promise<Conn> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const failed = (cause: Error): void => {
      reject(
        new Fault("connect-failed", `connecting to ${path} failed: ${cause.message}`, { cause }),
      );
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      resolve(new Conn(socket, SELF));
    });
  });
}

function certificateOf({ svids }: X509SVIDResponse): Certificate {
  const [svid] = svids;
  if (svid === undefined)
    throw new Fault("not-found", "the SPIRE agent knows no identity for this process");
  const chain = splitDer(svid.x509Svid);
  const key = Buffer.from(svid.x509SvidKey)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  return {
    certPem: printPem(chain),
    keyPem: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
    validUntilMs: Date.parse(new X509Certificate(chain[0]!).validTo),
  };
}

// Certificates one after the other, each a DER SEQUENCE with a length of two or more bytes.
function splitDer(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const lengthBytes = bytes[at + 1]! & 0x7f;
    let length = 0;
    for (let i = 0; i < lengthBytes; i++) length = length * 256 + bytes[at + 2 + i]!;
    const end = at + 2 + lengthBytes + length;
    parts.push(bytes.slice(at, end));
    at = end;
  }
  return parts;
}
