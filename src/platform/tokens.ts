// Service account tokens of the local mesh: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 by a key that
// never leaves the state folder. On Kubernetes the API server makes and reviews them.

import { createHmac, timingSafeEqual } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Account } from "./resources.ts";

/** The audience of tokens that prove a workload to the identity service. */
export const IDENTITY_AUDIENCE = "identity.l5d.io";

const LIFETIME_SECONDS = 86_400;
const HEADER = encode({ alg: "HS256", typ: "JWT" });

export class Tokens {
  readonly #key: Buffer;
  readonly #clock: Clock;

  constructor(key: Buffer, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  /** A token for an account, good for a day. */
  issue({ namespace, serviceAccount }: Account, audience = IDENTITY_AUDIENCE): string {
    const now = Math.floor(this.#clock.wall() / 1000);
    const claims = encode({
      iss: "local.linkerd.io",
      sub: `system:serviceaccount:${namespace}:${serviceAccount}`,
      aud: [audience],
      iat: now,
      exp: now + LIFETIME_SECONDS,
    });
    return `${HEADER}.${claims}.${this.#sign(claims).toString("base64url")}`;
  }

  /** The account of a token that is ours, fresh and made out to `audience`; throws `unauthenticated`. */
  review(token: string, audience: string): Account {
    const [header, claims = "", signature = ""] = token.trim().split(".");
    const given = Buffer.from(signature, "base64url");
    const right = this.#sign(claims);
    if (header !== HEADER || given.length !== right.length || !timingSafeEqual(given, right)) {
      throw refuse("the token was not issued by this mesh");
    }
    const { sub, aud, exp } = JSON.parse(Buffer.from(claims, "base64url").toString()) as {
      sub: string;
      aud: string[];
      exp: number;
    };
    if (exp * 1000 <= this.#clock.wall()) throw refuse("the token has expired");
    if (!aud.includes(audience))
      throw refuse(`the token is for ${aud.join(", ")}, not ${audience}`);
    const [, , namespace, serviceAccount] = sub.split(":");
    return { namespace: namespace!, serviceAccount: serviceAccount! };
  }

  #sign(claims: string): Buffer {
    return createHmac("sha256", this.#key).update(`${HEADER}.${claims}`).digest();
  }
}

const refuse = (message: string): Fault => new Fault("unauthenticated", message);

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
