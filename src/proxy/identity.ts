// The workload's own certificate: asked for at start, renewed at 70 % of its life or when another issuer
// signs, and kept when renewal fails. The key is made once for the life of the process (or read from IDENTITY_DIR, where an init step
// left it); the token is read anew for each request, because the kubelet replaces it.

import { X509Certificate, createHash, createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { delays, exponential } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Logger } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import { Var, type Watch } from "../base/watch.ts";
import { newKeyAndCsr, printPem, type KeyAndCsr } from "./csr.ts";

/** A signed certificate: DER, the leaf first, without the root. */
export type Certified = { readonly chain: readonly Uint8Array[]; readonly validUntilMs: number };

/** Asks the identity service to sign. */
export type Certify = (name: string, token: Buffer, csr: Buffer) => Promise<Certified>;

/** A certificate and its key, as PEM. */
export type Certificate = {
  readonly certPem: string;
  readonly keyPem: string;
  /** Milliseconds since 1970. */
  readonly validUntilMs: number;
};

export type IdentityOptions = {
  /** The name in the certificate. */
  readonly name: string;
  readonly dir: string | undefined;
  readonly tokenFile: string;
  readonly certify: Certify;
  readonly minRefreshMs: number;
  readonly maxRefreshMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly logger: Logger;
};

const LIFE_SHARE = 0.7;
/** All proxies hear of a new issuer at one moment, and shall not come to it at one. */
const SPREAD_MS = 30_000;
const COMPLAIN_EVERY_MS = 15_000;

export class Identity {
  readonly #options: IdentityOptions;
  readonly #certificate = new Var<Certificate>();
  readonly #backoff;
  readonly #metrics;
  readonly #complaints: Timer;
  #key: KeyAndCsr | undefined;
  /** Until the next renewal; undefined while one is under way. */
  #timer: Timer | undefined;
  #issuer: Buffer | undefined;
  /** Which issuer was expected while a renewal was under way, which may have been by the one before. */
  #expected: Buffer | undefined;
  #closed = false;

  constructor(options: IdentityOptions) {
    const { registry, clock, random, logger, name } = options;
    this.#options = options;
    this.#backoff = delays(exponential(100, 10_000, 0.1), random);
    this.#metrics = {
      expiration: registry
        .gauge(
          "control_identity_cert_expiration_timestamp_seconds",
          "Time when the current certificate expires, since the epoch",
        )
        .with({}),
      refreshed: registry
        .gauge(
          "control_identity_cert_refresh_timestamp_seconds",
          "Time of the last renewal, since the epoch",
        )
        .with({}),
      refreshes: registry.counter(
        "control_identity_cert_refreshes_total",
        "Certificates asked for, by result",
      ),
    };
    this.#complaints = clock.every(COMPLAIN_EVERY_MS, () => {
      if (this.#certificate.value === undefined) logger.warn("waiting for identity", { name });
    });
    void this.#refresh();
  }

  /** The certificate; pending until the first one. */
  get certificate(): Watch<Certificate> {
    return this.#certificate;
  }

  /** Renews within half a minute when the certificate is not by this issuer (SHA-256 of its DER). */
  expect(issuer: Buffer): void {
    if (this.#timer === undefined) {
      this.#expected = issuer;
      return;
    }
    if (this.#issuer === undefined || this.#issuer.equals(issuer)) return;
    this.#timer.cancel();
    this.#again(this.#options.random.next() * SPREAD_MS);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#complaints.cancel();
  }

  async #refresh(): Promise<void> {
    const { name, dir, tokenFile, certify, logger, clock } = this.#options;
    this.#timer = undefined;
    try {
      this.#key ??= readKeyAndCsr(dir, name);
      const token = readFileSync(tokenFile);
      const { chain, validUntilMs } = await certify(name, token, this.#key.csr);
      if (this.#closed) return;
      const certPem = printPem(chain);
      check(certPem, this.#key.keyPem);
      this.#issuer = chain[1] && createHash("sha256").update(chain[1]).digest();
      this.#backoff.reset();
      this.#metrics.refreshes.with({ result: "ok" }).inc();
      this.#metrics.refreshed.set(clock.wall() / 1000);
      this.#metrics.expiration.set(validUntilMs / 1000);
      this.#certificate.set({ certPem, keyPem: this.#key.keyPem, validUntilMs });
      logger.info("certified identity", { id: name });
      this.#again(this.#untilRefresh(validUntilMs));
      const expected = this.#expected;
      this.#expected = undefined;
      if (expected !== undefined) this.expect(expected);
    } catch (error) {
      if (this.#closed) return;
      this.#metrics.refreshes.with({ result: "error" }).inc();
      const fault = Fault.from(error);
      logger.warn("could not get a certificate", { error: fault });
      this.#certificate.fail(fault);
      this.#again(this.#backoff.next());
    }
  }

  #untilRefresh(validUntilMs: number): number {
    const { clock, minRefreshMs, maxRefreshMs } = this.#options;
    const ms = (validUntilMs - clock.wall()) * LIFE_SHARE;
    return Math.min(maxRefreshMs, Math.max(minRefreshMs, ms));
  }

  #again(ms: number): void {
    this.#timer = this.#options.clock.after(ms, () => void this.#refresh());
  }
}

function readKeyAndCsr(dir: string | undefined, name: string): KeyAndCsr {
  const [key, csr] = ["key.p8", "csr.der"].map((file) => dir && readFile(`${dir}/${file}`));
  if (!key || !csr) return newKeyAndCsr(name);
  const keyPem = createPrivateKey({ key, format: "der", type: "pkcs8" });
  return { keyPem: keyPem.export({ type: "pkcs8", format: "pem" }) as string, csr };
}

function readFile(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function check(certPem: string, keyPem: string): void {
  const leaf = new X509Certificate(certPem);
  if (!leaf.checkPrivateKey(createPrivateKey(keyPem))) {
    throw new Fault("bad-input", "the identity service certified another key than ours");
  }
}
