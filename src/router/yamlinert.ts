// What a file may have and that does nothing here, or not yet, or for want of a file: whoever writes it is told, so that
// nobody relies on what is not there.

import { builtinKinds } from "./yamlkinds.ts";
import { template } from "./yamlhints.ts";
import type { Reading } from "./yamlreading.ts";
import type { At } from "./yamlsource.ts";

type Inert = {
  /** The setting, by a pattern of its place with empty brackets. */
  readonly at: RegExp;
  readonly says: string;
  /** Only in routers of this protocol, or beside this kind. */
  readonly only?: string;
};

const BY_FILES = "write the addresses into files and use io.l5d.fs, which follows their changes";
const BY_CLUSTER_DNS = "use /$/inet/<service>.<namespace>.svc.cluster.local/<port>";
const BY_DTAB_FILE = "put the dtab into a file and use io.l5d.fs, which follows its changes";
const NO_ISTIO = "Istio 0.x is no more";

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
  inert(String.raw`routers\[\]\.bindingCache\.trees`, "without effect: a name keeps its own tree"),
  inert(
    String.raw`routers\[\]\.servers\[\]\.announce`,
    "without effect: servers are not announced, for want of ZooKeeper",
  ),
  inert(
    String.raw`routers\[\]\.servers\[\]\.label`,
    "without effect: metrics have the server's address",
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
  inert(
    String.raw`telemetry\[\]\.sampleRate`,
    "without effect: all counts are sent",
    "io.l5d.statsd",
  ),
  inert(
    String.raw`.*\.transformers\[\]\.hostNetwork`,
    "without effect: what is on this node is told by POD_IP alone",
    "io.l5d.k8s.localnode",
  ),
  inert(String.raw`admin\.workerThreads`, "without effect: there are no worker threads"),
  inert(String.raw`usage\.\w+`, "without effect: nothing is reported to anybody"),
];

/** What stands in for a kind that this build cannot serve, by the category of the kind. */
const UNSERVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  protocol: {
    thrift:
      "write protocol: tcp, which passes connections on by their port; names by method are not to be had",
    thriftmux: "write protocol: tcp, which passes connections on by their port",
    mux: "write protocol: tcp, which passes connections on by their port",
  },
  namer: {
    "io.l5d.serversets": BY_FILES,
    "io.l5d.zkLeader": BY_FILES,
    "io.l5d.curator": BY_FILES,
    "io.l5d.consul": "Consul answers DNS: use io.l5d.dnssrv with dnsHosts [<agent>:8600]",
    "io.l5d.marathon": "Mesos-DNS answers for apps: use io.l5d.dnssrv",
    "io.l5d.rancher": "Rancher answers DNS: use /$/inet/<service>.<stack>/<port>",
    "io.l5d.k8s": BY_CLUSTER_DNS,
    "io.l5d.k8s.ns": BY_CLUSTER_DNS,
    "io.l5d.k8s.external": BY_CLUSTER_DNS,
    "io.l5d.k8s.istio": NO_ISTIO,
  },
  interpreter: {
    "io.l5d.namerd": BY_DTAB_FILE,
    "io.l5d.namerd.http": BY_DTAB_FILE,
    "io.l5d.mesh": BY_DTAB_FILE,
    "io.l5d.consul.interpreter": BY_DTAB_FILE,
    "io.l5d.k8s.configMap": "mount the ConfigMap and use io.l5d.fs with its dtabFile",
    "io.l5d.k8s.istio": NO_ISTIO,
  },
  transformer: {
    "io.l5d.k8s.daemonset":
      "on one machine, io.l5d.port sends to a router at a port of each address",
  },
  httpIdentifier: { "io.l5d.k8s.istio": `${NO_ISTIO}; requests are not identified by it` },
  h2Identifier: { "io.l5d.k8s.istio": `${NO_ISTIO}; requests are not identified by it` },
  authorizer: { "io.l5d.k8s.istio": `${NO_ISTIO}; everybody may pass` },
  announcer: {
    "io.l5d.serversets":
      "servers are not announced in ZooKeeper; who calls them finds them by files, DNS or addresses",
  },
};

/** Whether this build knows a kind and cannot serve it; a plug-in may. */
export function isUnserved(category: string, kind: string): boolean {
  return UNSERVED[category]?.[kind] !== undefined;
}

/** Where kinds of a category are chosen. */
const PLACES: readonly (readonly [category: string, at: RegExp])[] = [
  ["protocol", /^routers\[\]\.protocol$/],
  ["namer", /^namers\[\]\.kind$/],
  ["interpreter", /\.interpreter\.kind$/],
  ["transformer", /\.transformers\[\]\.kind$/],
  ["httpIdentifier", /\.identifier(?:\[\])?\.kind$/],
  ["h2Identifier", /\.identifier(?:\[\])?\.kind$/],
  ["authorizer", /\.requestAuthorizers\[\]\.kind$/],
  ["announcer", /\.announcers\[\]\.kind$/],
];

/** Warns of every setting and kind of a file that does nothing. */
export function warnOfInert(reading: Reading): void {
  visit(reading.source.root, reading);
}

function visit(at: At, reading: Reading): void {
  const { source } = reading;
  const entries = source.entries(at) ?? [];
  const kind = entries.find(({ name }) => name === "kind")?.at;
  const scopes = [undefined, protocolOf(at.path, reading), kind && reading.written(kind)];
  for (const entry of entries) {
    const place = template(entry.at.path);
    const found = SETTINGS.find(
      ({ at: pattern, only }) => scopes.includes(only) && pattern.test(place),
    );
    if (found) source.warn({ ...entry.at, node: entry.at.key }, found.says);
    warnOfKind(entry.at, place, reading);
    warnOfFile(entry.at, place, reading);
    visit(entry.at, reading);
  }
  for (const item of source.items(at)) visit(item, reading);
}

// Certificates may come later than the file that names them; a start without them fails.
const TLS_FILE =
  /\.tls\.(?:clientAuth\.)?(?:certPath|keyPath|intermediateCertsPath|caCertPath|caCert|trustCertsBundle|trustCerts\[\])$/;

function warnOfFile(at: At, place: string, reading: Reading): void {
  const file = reading.written(at);
  if (file === undefined || !TLS_FILE.test(place) || reading.entryKind(file) === "file") return;
  reading.source.warn(at, `there is no file ${file}`);
}

function protocolOf(path: string, { source }: Reading): string | undefined {
  const [, index] = /^routers\[(\d+)\]/.exec(path) ?? [];
  const { routers } = (source.raw ?? {}) as { routers?: readonly { protocol?: string }[] };
  return index === undefined ? undefined : routers?.[Number(index)]?.protocol;
}

function warnOfKind(at: At, place: string, reading: Reading): void {
  const { source, kinds } = reading;
  const kind = reading.written(at);
  if (kind === undefined) return;
  for (const [category, pattern] of PLACES) {
    const instead = UNSERVED[category]?.[kind];
    // A plug-in's kind of the same name is served by it.
    const isOurs = kinds[category]?.[kind] === builtinKinds[category]?.[kind];
    if (instead === undefined || !isOurs || !pattern.test(place)) continue;
    // Without its protocol a router cannot even be started; of the others, what needs them fails.
    if (category === "protocol") source.error(at, `the protocol ${kind} is not available`, instead);
    else source.warn(at, `${kind} is not available in this build`, instead);
    return;
  }
}
