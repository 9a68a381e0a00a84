// Settings and kinds that a file may have and that do nothing here, or not yet: whoever writes one is told, so that
// nobody relies on what is not there.

import { builtinKinds } from "./yamlkinds.ts";
import { template } from "./yamlhints.ts";
import type { Reading } from "./yamlreading.ts";
import type { At } from "./yamlsource.ts";

type Inert = {
  /** The setting, by a pattern of its place with empty brackets. */
  readonly at: RegExp;
  readonly says: string;
  /** Only in routers of this protocol. */
  readonly only?: string;
};

const CLIENT = String.raw`routers\[\]\.client(?:\.configs\[\])?`;

const inert = (pattern: string, says: string, only?: string): Inert => ({
  ...(only === undefined ? {} : { only }),
  at: new RegExp(`^(?:${pattern})$`),
  says,
});

const SETTINGS: readonly Inert[] = [
  inert(
    `${CLIENT}\\.loadBalancer\\.maxEffort`,
    "without effect: only endpoints that are open are picked from, however many are not",
  ),
  inert(`${CLIENT}\\.requestAuthorizers`, "without effect: Istio 0.x is no more"),
  inert(String.raw`routers\[\]\.bindingCache\.trees`, "without effect: a name keeps its own tree"),
  inert(
    String.raw`routers\[\]\.announcers|routers\[\]\.servers\[\]\.announce`,
    "not carried out yet: servers are not announced",
  ),
  inert(
    `${CLIENT}\\.hostConnectionPool`,
    "without effect: HTTP/2 has one connection to each endpoint",
    "h2",
  ),
  inert(
    `${CLIENT}\\.socketOptions\\.(?:reuseAddr|reusePort|backlog)`,
    "without effect: it is for sockets that listen",
  ),
  inert(
    String.raw`.*\.socketOptions\.reuseAddr`,
    "without effect: addresses can always be used again at once",
  ),
  inert(
    String.raw`.*\.(?:windowUpdateRatio|headerTableBytes)`,
    "without effect: windows are opened and tables sized as needed",
  ),
  inert(String.raw`admin\.workerThreads`, "without effect: there are no worker threads"),
  inert(String.raw`usage\.\w+`, "without effect: nothing is reported to anybody"),
];

/** Kinds by the place where they are chosen that this build cannot serve yet. */
const KINDS: readonly (readonly [at: RegExp, category: string, served: ReadonlySet<string>])[] = [
  [/^namers\[\]\.kind$/, "namer", new Set(["io.l5d.fs", "io.l5d.rewrite", "io.l5d.dnssrv"])],
  [/\.interpreter\.kind$/, "interpreter", new Set(["default", "io.l5d.fs"])],
  [
    /\.transformers\[\]\.kind$/,
    "transformer",
    new Set([
      "io.l5d.localhost",
      "io.l5d.specificHost",
      "io.l5d.port",
      "io.l5d.replace",
      "io.l5d.const",
      "io.l5d.k8s.localnode",
    ]),
  ],
  [
    /^telemetry\[\]\.kind$/,
    "telemeter",
    new Set([
      "io.l5d.prometheus",
      "io.l5d.influxdb",
      "io.l5d.recentRequests",
      "io.l5d.tracelog",
      "io.l5d.zipkin",
    ]),
  ],
  [
    /\.identifier(?:\[\])?\.kind$/,
    "httpIdentifier",
    new Set([
      "io.l5d.methodAndHost",
      "io.l5d.path",
      "io.l5d.header",
      "io.l5d.header.token",
      "io.l5d.header.path",
      "io.l5d.static",
    ]),
  ],
  [/^routers\[\]\.protocol$/, "protocol", new Set(["http", "h2", "tcp"])],
];

/** Warns of every setting and kind of a file that does nothing. */
export function warnOfInert(reading: Reading): void {
  visit(reading.source.root, reading);
}

function visit(at: At, reading: Reading): void {
  const { source } = reading;
  for (const entry of source.entries(at) ?? []) {
    const place = template(entry.at.path);
    const found = SETTINGS.find(
      ({ at: pattern, only }) =>
        pattern.test(place) && (only === undefined || only === protocolOf(entry.at.path, reading)),
    );
    if (found) source.warn({ ...entry.at, node: entry.at.key }, found.says);
    warnOfKind(entry.at, place, reading);
    visit(entry.at, reading);
  }
  for (const item of source.items(at)) visit(item, reading);
}

function protocolOf(path: string, { source }: Reading): string | undefined {
  const [, index] = /^routers\[(\d+)\]/.exec(path) ?? [];
  const { routers } = (source.raw ?? {}) as { routers?: readonly { protocol?: string }[] };
  return index === undefined ? undefined : routers?.[Number(index)]?.protocol;
}

function warnOfKind(at: At, place: string, reading: Reading): void {
  const written = reading.written(at);
  if (written === undefined) return;
  for (const [pattern, category, served] of KINDS) {
    const isOurs =
      builtinKinds[category] !== undefined && Object.hasOwn(builtinKinds[category], written);
    // Plug-ins' kinds are served by them.
    if (!pattern.test(place) || served.has(written) || !isOurs) continue;
    reading.source.warn(
      at,
      `${written} is not available in this build: what needs it fails, and says so`,
    );
  }
}
