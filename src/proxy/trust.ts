// Whom to trust, as the identity service tells it while we run: the trust anchors, and the issuer that signs now. It is
// authenticated by the anchors that we had. Linkerd's identity service knows nothing of it and is asked once an hour,
// so that the failures of those calls do not spoil its figures.

import { create } from "@bufbuild/protobuf";
import { X509Certificate } from "node:crypto";
import { Trust, type TrustUpdate, WatchTrustRequestSchema } from "../../proto/gen/identity_pb.js";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Watch } from "../base/watch.ts";
import type { Credentials } from "../io/tls.ts";
import type { OpenCall } from "./discover.ts";
import { type Answer, feed, type OpenStream, Subscription } from "./subscription.ts";

/** What is told: PEM of the anchors, in place of all before; and the SHA-256 of the issuer's certificate (DER). */
export type Told = { readonly anchorsPem: string; readonly issuer: Buffer };

export type TrustOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
};

const HOUR_MS = 3_600_000;
const UNIMPLEMENTED = 12;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** What the identity service tells; anchors that cannot be read count as a failure, and are not passed on. */
export function watchTrust(call: OpenCall, options: TrustOptions): Watch<Answer<Told>> {
  const { clock, random, registry } = options;
  const failures = registry
    .counter("control_discovery_failures_total", "Streams of the control plane that failed")
    .with({ topic: "trust" });
  const open = patiently(call(Trust.method.watch, create(WatchTrustRequestSchema)), clock);
  return new Subscription({
    feed: feed(open, () => parseTrust),
    clock,
    random,
    lingerMs: 0,
    initialMs: undefined,
    idleMs: undefined,
    lifetimeMs: undefined,
    failures,
  });
}

/** The certificates of a bundle; throws `bad-input` when there are none or one cannot be read. */
export function parseAnchors(pem: string): X509Certificate[] {
  const certificates = (pem.match(CERTIFICATE) ?? []).map((text) => new X509Certificate(text));
  if (certificates.length > 0) return certificates;
  throw new Fault("bad-input", "there is no certificate in PEM among the trust anchors");
}

/** For the admin page: whom a proxy with these credentials trusts (SHA-256 of each anchor), and how it proves itself. */
export function reportTrust(credentials: Credentials | undefined) {
  if (credentials === undefined) return undefined;
  const { name, certPem, rootsPem } = credentials;
  const anchors = parseAnchors(rootsPem).map(({ fingerprint256 }) => fingerprint256);
  return { name, anchors, certificates: certPem };
}

function parseTrust({ anchors, issuer }: TrustUpdate): Told {
  parseAnchors(anchors);
  return { anchorsPem: anchors, issuer: Buffer.from(issuer) };
}

// A subscription asks again in seconds.
function patiently<M>(open: OpenStream<M>, clock: Clock): OpenStream<M> {
  return (message, end) => {
    let timer: Timer | undefined;
    const close = open(message, (status, why) => {
      if (status !== UNIMPLEMENTED) return end(status, why);
      timer = clock.after(HOUR_MS, () => end(status, why));
    });
    return () => {
      timer?.cancel();
      close();
    };
  };
}
