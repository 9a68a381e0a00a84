// Settings that several parts of a file share: sockets, TLS, back-off, budgets, addresses of other systems.

import { kinds, type KindValue } from "./yamlchoice.ts";
import type { Reading } from "./yamlreading.ts";
import { bool, int, ip, number, port, regex, text } from "./yamlscalars.ts";
import type { At } from "./yamlsource.ts";
import { list, nested, optional, preset, required, table } from "./yamltypes.ts";

export const socketOptions = table({
  noDelay: preset(bool, true, "send small packets at once"),
  reuseAddr: preset(bool, true, "listen on an address that was just in use"),
  reusePort: preset(bool, false, "let several processes listen on one port"),
  readTimeoutMs: optional(int(), "close a connection on which nothing arrives for so long"),
  writeTimeoutMs: optional(int(), "close a connection on which nothing can be written for so long"),
  keepAlive: optional(bool, "TCP keep-alive"),
  backlog: optional(int(), "connections waiting to be accepted; the system's default otherwise"),
});

export const serverTls = table({
  certPath: required(text, "certificate, PEM"),
  keyPath: required(text, "private key, PKCS#8 PEM"),
  intermediateCertsPath: optional(text, "intermediate certificates, PEM"),
  caCertPath: optional(text, "certificates that clients' certificates must go back to, PEM"),
  requireClientAuth: preset(bool, false, "refuse clients without a valid certificate"),
  ciphers: optional(list(text), "cipher suites, best first"),
  protocols: optional(list(text), "TLS versions, such as TLSv1.2"),
});

const clientAuth = table({
  certPath: required(text, "certificate, PEM"),
  keyPath: required(text, "private key, PKCS#8 PEM"),
  intermediateCertsPath: optional(text, "intermediate certificates, PEM"),
});

export const clientTls = table(
  {
    enabled: preset(bool, true, "false turns TLS off for these clients"),
    disableValidation: preset(bool, false, "accept any certificate"),
    commonName: optional(
      text,
      "the name in the server's certificate, and SNI; {captures} of the prefix are put in",
    ),
    trustCertsBundle: optional(text, "certificates to trust, PEM; the system's otherwise"),
    trustCerts: optional(list(text), "certificates to trust (deprecated: write trustCertsBundle)"),
    clientAuth: optional(clientAuth, "the certificate to show to servers"),
    protocols: optional(list(text), "TLS versions, such as TLSv1.2"),
  },
  (tls, at, { source }) => {
    if (!tls.enabled) return;
    if (!tls.disableValidation && tls.commonName === undefined) {
      source.error(
        at,
        "tls is configured with validation but `commonName` is not set",
        "write commonName, or disableValidation: true to accept any certificate",
      );
    }
    if (tls.disableValidation && tls.clientAuth) {
      source.error(at, "disableValidation: true is incompatible with clientAuth");
    }
    if (tls.trustCerts && tls.trustCertsBundle !== undefined) {
      source.error(
        at,
        "Both trustCerts and trustCertsBundle have been set. Please use only trustCertsBundle.",
      );
    }
  },
);

/** TLS to namerd's Thrift interface, which has an object of its own. */
export const namerdTls = table({
  commonName: required(text, "the name in namerd's certificate"),
  caCert: optional(text, "the certificate to trust, PEM"),
});

export const backoffs = {
  constant: { doc: "always the same pause", fields: { ms: preset(int(), 0, "the pause") } },
  jittered: {
    doc: "each pause drawn between minMs and three times the last one, at most maxMs",
    fields: {
      minMs: required(int(), "the first and shortest pause"),
      maxMs: required(int(), "the longest pause"),
    },
    check: (value: { minMs: number; maxMs: number }, at: At, { source }: Reading) => {
      if (value.minMs > value.maxMs) {
        source.error(at, `minMs ${value.minMs} is above maxMs ${value.maxMs}`);
      }
    },
  },
} as const;
export type Backoff = KindValue<typeof backoffs>;
export const backoff = kinds<Backoff>("backoff");

export const budget = table({
  minRetriesPerSec: preset(int(), 10, "retries allowed each second whatever the load"),
  percentCanRetry: preset(
    number(0, 1000),
    0.2,
    "retries allowed for each request; 0.2 is one in five",
  ),
  ttlSecs: preset(int(1, 60), 10, "how long a request counts"),
});

export const session = table({
  idleTimeMs: optional(int(), "close a connection that is idle for so long; never otherwise"),
  lifeTimeMs: optional(int(), "close a connection after so long; never otherwise"),
});

export const admin = table({
  ip: preset(ip, "127.0.0.1", "address to listen on"),
  port: preset(port, 9990, "port to listen on"),
  tls: optional(serverTls, "serve the admin pages over TLS"),
  socketOptions: nested(socketOptions, "options of the sockets"),
  shutdownGraceMs: preset(int(), 10_000, "how long requests may go on after a request to stop"),
  workerThreads: preset(int(1), 2, "accepted and without effect: there are no worker threads"),
  httpIdentifierPort: optional(
    port,
    "answer any request here with the names that the routers would give it",
  ),
  security: nested(
    table({
      uiEnabled: preset(bool, true, "serve the pages"),
      controlEnabled: preset(bool, true, "serve shutdown and logging"),
      diagnosticsEnabled: preset(bool, true, "serve everything else"),
      pathWhitelist: preset(list(regex), [], "paths that are served in any case"),
      pathBlacklist: preset(list(regex), [], "paths that are never served"),
    }),
    "which pages are served",
  ),
});

/** An address of another system. */
export const hostPort = (host: string, portNumber: number) => ({
  host: preset(text, host, "host to ask"),
  port: preset(port, portNumber, "port to ask"),
});

export const zkAddrs = list(
  table({
    host: required(text, "host of a ZooKeeper server"),
    port: preset(port, 2181, "its port"),
  }),
);

/** The settings of a kind that has none. */
export const nothing = { fields: {} } as const;

/** Beside the settings of whatever may be experimental. */
export const experimental = preset(bool, false, "must be true for what is experimental");

/** The end of a complaint about what is experimental and was not asked for. */
export const byFlag =
  "is experimental and must be explicitly enabled by setting the `experimental' parameter to `true'";

/** What is left of Istio 0.x: its settings. */
export const istio = {
  doc: "Istio 0.x, which is no more",
  fields: {
    discoveryHost: preset(text, "istio-pilot", "host of Istio's discovery"),
    discoveryPort: preset(port, 8080, "its port"),
    apiserverHost: preset(text, "istio-pilot", "host of Istio's API server"),
    apiserverPort: preset(port, 8081, "its port"),
  },
};
