// The settings of routers, protocol by protocol, and of the whole file.

import { type Dtab } from "../name/dtab.ts";
import { type Path } from "../name/path.ts";
import { type KindValue, kinds } from "./yamlchoice.ts";
import { clients, services } from "./yamlclient.ts";
import { announcer, interpreter, type InterpreterConfig } from "./yamlinterpreter.ts";
import { namer } from "./yamlnamer.ts";
import { admin } from "./yamlparts.ts";
import { policy, policyKinds } from "./yamlpolicy.ts";
import type { Kinds, Reading } from "./yamlreading.ts";
import { bool, dtab, int, path, scalar, text } from "./yamlscalars.ts";
import { servers } from "./yamlserver.ts";
import { type At } from "./yamlsource.ts";
import { telemeter } from "./yamltelemetry.ts";
import {
  type H2Identifier,
  type HttpIdentifier,
  type Propagator,
  type TcpIdentifier,
  h2Identifier,
  httpIdentifier,
  propagator,
  tcpIdentifier,
} from "./yamltraffic.ts";
import {
  type Field,
  type Fields,
  type Values,
  list,
  nested,
  optional,
  preset,
  table,
} from "./yamltypes.ts";

const defaultInterpreter: InterpreterConfig = {
  kind: "default",
  experimental: false,
  transformers: [],
};
const common = {
  label: preset(text, "", "name in metrics and pages; the protocol otherwise") as Field<string>,
  dtab: preset(dtab, [] as Dtab, "the rules that names are looked up by"),
  dstPrefix: preset(path, ["svc"] as Path, "stands before the names that the identifier finds"),
  originator: preset(bool, false, "say in the metrics that requests begin here"),
  interpreter: preset(interpreter, defaultInterpreter, "who looks names up"),
  announcers: preset(list(announcer), [], "where servers are announced"),
  bindingTimeoutMs: preset(int(1), 10_000, "the time that looking up and connecting may take"),
  bindingCache: nested(
    table({
      paths: preset(int(1), 1000, "names that are kept"),
      trees: preset(int(1), 1000, "name trees that are kept"),
      bounds: preset(int(1), 1000, "bound names that are kept"),
      clients: preset(int(1), 1000, "clients that are kept"),
      idleTtlSecs: preset(int(1), 600, "time after which what is idle is dropped"),
    }),
    "what is kept of lookups",
  ),
  experimental: preset(bool, false, "must be true for an experimental protocol"),
};

/** A filter of a plug-in, by its kind. */
type FilterConfig = { readonly kind: string };
const filters = preset(
  list(kinds<FilterConfig>("filter")),
  [],
  "filters of plug-ins around every request, the first one outermost; Linkerd 1 does not have them",
);

const rollPolicy = scalar(
  "never, hourly, daily, weekly(n) or a size such as 3.megabytes",
  (written) =>
    /^(never|hourly|daily|weekly\([1-7]\)|\d+\.(bytes?|(kilo|mega|giga|tera)bytes?))$/.test(written)
      ? written
      : undefined,
);
const logFile = optional(text, "file of the access log; /dev/stdout works");
const logRoll = preset(rollPolicy, "never", "when a new file is begun");
const logAppend = preset(bool, true, "go on with the file that is there");
const logRotate = preset(int(-1), -1, "old files to keep, -1 for all");

const byHost: readonly HttpIdentifier[] = [{ kind: "io.l5d.header.token", header: "Host" }];
const byAuthority: readonly H2Identifier[] = [
  { kind: "io.l5d.header.token", header: ":authority" },
];
const byPort: TcpIdentifier = { kind: "io.l5d.port" };
const l5dTrace: Propagator = { kind: "io.l5d.default" };
const tracePropagator = preset(propagator, l5dTrace, "the headers that carry traces");
const thriftFields = {
  thriftMethodInDst: preset(bool, false, "names end in the method"),
  thriftProtocol: preset(
    scalar(
      "binary or compact",
      (written) => (["binary", "compact"] as const).find((word) => word === written),
      (written) => `unsupported thrift protocol ${written}`,
    ),
    "binary",
    "the encoding of calls",
  ),
};

const routers = {
  http: {
    ...common,
    servers: preset(list(table(servers.http)), [], "where it listens"),
    service: policy("httpService", services.http, "policies by service name"),
    client: policy("httpClient", clients.http, "policies by client id"),
    identifier: preset(
      list(httpIdentifier, { single: true }),
      byHost,
      "how a request is named; the first that can does",
    ),
    httpAccessLog: logFile,
    httpAccessLogRollPolicy: logRoll,
    httpAccessLogAppend: logAppend,
    httpAccessLogRotateCount: logRotate,
    maxHeadersKB: preset(int(1), 8, "longest head"),
    maxInitialLineKB: preset(int(1), 4, "longest request line"),
    maxErrResponseKB: preset(int(1), 5120, "longest error body of our own"),
    streamingEnabled: preset(bool, true, "false keeps every body until it is complete"),
    streamAfterContentLengthKB: optional(
      int(),
      "longest body that is kept for retries (default 5)",
    ),
    compressionLevel: preset(
      int(-1, 9),
      -1,
      "-1 compresses text when the client accepts it, 0 nothing",
    ),
    tracePropagator,
    filters,
  },
  h2: {
    ...common,
    servers: preset(list(table(servers.h2)), [], "where it listens"),
    service: policy("h2Service", services.h2, "policies by service name"),
    client: policy("h2Client", clients.h2, "policies by client id"),
    identifier: preset(
      list(h2Identifier, { single: true }),
      byAuthority,
      "how a request is named; the first that can does",
    ),
    h2AccessLog: logFile,
    h2AccessLogRollPolicy: logRoll,
    h2AccessLogAppend: logAppend,
    h2AccessLogRotateCount: logRotate,
    tracePropagator,
    filters,
  },
  thrift: {
    ...common,
    servers: preset(list(table(servers.thrift)), [], "where it listens"),
    service: policy("thriftService", services.thrift, "policies by service name"),
    client: policy("thriftClient", clients.thrift, "policies by client id"),
    ...thriftFields,
  },
  thriftmux: {
    ...common,
    servers: preset(list(table(servers.thriftmux)), [], "where it listens"),
    service: policy("thriftService", services.thrift, "policies by service name"),
    client: policy("thriftClient", clients.thrift, "policies by client id"),
    ...thriftFields,
  },
  mux: {
    ...common,
    servers: preset(list(table(servers.mux)), [], "where it listens"),
    service: policy("thriftService", services.thrift, "policies by service name"),
    client: policy("muxClient", clients.mux, "policies by client id"),
  },
  tcp: {
    ...common,
    servers: preset(list(table(servers.tcp)), [], "where it listens"),
    client: policy("tcpClient", clients.tcp, "policies by client id"),
    identifier: preset(tcpIdentifier, byPort, "how a connection is named"),
  },
} as const;

const labelled = (value: { protocol: string; label: string }): void => {
  if (value.label === "") value.label = value.protocol;
};

/** The protocols of routers. */
export const protocols = {
  http: { doc: "HTTP/1.1 and HTTP/1.0", fields: routers.http, check: checkHttp },
  h2: { doc: "HTTP/2 and gRPC", fields: routers.h2, check: labelled },
  thrift: { doc: "Thrift", fields: routers.thrift, check: labelled },
  thriftmux: {
    doc: "Thrift over mux",
    experimental: true,
    fields: routers.thriftmux,
    check: labelled,
  },
  mux: { doc: "mux", fields: routers.mux, check: labelled },
  tcp: {
    doc: "byte streams of any protocol; Linkerd 1 does not have it",
    fields: routers.tcp,
    check: labelled,
  },
} as const;
export type Router = KindValue<typeof protocols, {}, "protocol">;

/** The kinds of policies, which are chosen like plug-ins. */
export const policies: Kinds = {
  httpService: policyKinds(services.http, "service names"),
  h2Service: policyKinds(services.h2, "service names"),
  thriftService: policyKinds(services.thrift, "service names"),
  httpClient: policyKinds(clients.http, "client ids"),
  h2Client: policyKinds(clients.h2, "client ids"),
  thriftClient: policyKinds(clients.thrift, "client ids"),
  muxClient: policyKinds(clients.mux, "client ids"),
  tcpClient: policyKinds(clients.tcp, "client ids"),
};

/** The whole file. */
export const file = {
  admin: nested(admin, "the admin server"),
  namers: preset(list(namer), [], "service discovery; later ones are asked first"),
  routers: preset(
    list(
      kinds<Router>(
        "protocol",
        {},
        {
          key: "protocol",
          experimental: (protocol) =>
            `The ${protocol} protocol is experimental and must be explicitly enabled by setting the ` +
            "`experimental' parameter to `true' on each router.",
        },
      ),
    ),
    [],
    "the routers",
  ),
  telemetry: preset(list(telemeter), [], "where metrics and traces go"),
  plugins: preset(
    list(text),
    [],
    "modules with kinds of their own, relative to the file; Linkerd 1 does not have them",
  ),
  stateDir: optional(
    text,
    "folder that keeps what DNS and namers answered last, for a restart while they are away; Linkerd 1 does not have it",
  ),
  usage: optional(
    table({
      orgId: optional(text, "accepted and without effect: nothing is reported to anybody"),
      enabled: preset(bool, true, "accepted and without effect: nothing is reported to anybody"),
    }),
    "accepted and without effect: nothing is reported to anybody",
  ),
} as const satisfies Fields;

/** A linkerd.yaml, all defaults filled in. */
export type RouterConfig = Values<typeof file>;

function checkHttp(
  value: {
    protocol: string;
    label: string;
    streamingEnabled?: boolean;
    streamAfterContentLengthKB?: number | undefined;
  },
  at: At,
  reading: Reading,
): void {
  labelled(value);
  if (value.streamingEnabled !== false || value.streamAfterContentLengthKB === undefined) return;
  reading.source.error(
    reading.placeOf(value, "streamAfterContentLengthKB"),
    "Conflicting streaming options set. Can't disable streaming and set streamAfterContentLengthKB " +
      `in ${value.label}`,
    "remove one of the two",
  );
}
