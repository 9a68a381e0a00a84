// The control plane as a meshed workload: it has certificates for its own names from its own issuer, and
// terminates the TLS of proxies itself. On loopback proxies speak plainly.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { source, type Watch } from "../base/watch.ts";
import type { Conn } from "../io/conn.ts";
import { detect } from "../io/detect.ts";
import type { Credentials } from "../io/tls.ts";
import { acceptTls } from "../io/tls.ts";
import { isLoopback } from "../stack/authorize.ts";
import type { Issuer } from "./issuer.ts";
import { newKey, signLeaf } from "./issuer.ts";

const TLS_TIMEOUT_MS = 10_000;
const LIFETIME_MS = 365 * 86_400_000;
const SKEW_MS = 20_000;

/** Credentials for a name of the mesh's own ("linkerd-destination.linkerd.serviceaccount…"), good for a year; others with
 * each issuer. */
export function ownCredentials(
  issuer: Watch<Issuer>,
  name: string,
  clock: Clock,
): Watch<Credentials> {
  return source((set) =>
    issuer.each((now) => {
      void certified(now, name, clock).then(
        (value) => set({ kind: "ok", value }),
        (error: unknown) => set({ kind: "failed", fault: Fault.from(error) }),
      );
    }),
  );
}

async function certified(issuer: Issuer, name: string, clock: Clock): Promise<Credentials> {
  const { keyPem, publicKey } = await newKey();
  const times = { lifetimeMs: LIFETIME_MS, skewMs: SKEW_MS, nowMs: clock.wall() };
  const leaf = await signLeaf(issuer, name, publicKey, times);
  const certPem = `${leaf.toString("pem")}\n${issuer.certificate.toString("pem")}\n`;
  return { name, certPem, keyPem, rootsPem: issuer.anchorsPem };
}

/** A connection on which to speak, and what was read of it. Rejects what comes without TLS from elsewhere than loopback. */
export async function secure(
  conn: Conn,
  credentials: Credentials | undefined,
  clock: Clock,
): Promise<{ readonly conn: Conn; readonly first?: Buffer }> {
  if (!credentials) return { conn };
  const { protocol, first } = await detect(conn, TLS_TIMEOUT_MS, clock);
  if (protocol === "tls") {
    const options = { clock, timeoutMs: TLS_TIMEOUT_MS };
    return { conn: await acceptTls(conn, credentials, options, first) };
  }
  if (isLoopback(conn.peer.remote.ip)) return { conn, first };
  throw new Fault("unauthenticated", "this port takes TLS only", { side: "client" });
}
