// The certificate library, set up: it wants its reflection polyfill before it, and Node's cryptography.

import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { cryptoProvider } from "@peculiar/x509";

export * from "@peculiar/x509";

cryptoProvider.set(webcrypto as unknown as Crypto);
