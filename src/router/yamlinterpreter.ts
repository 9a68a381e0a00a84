// The kinds of interpreters, who look names up for a router, and of announcers, who make its servers' names known.

import { type Path, printPath } from "../name/path.ts";
import { type KindValue, kinds } from "./yamlchoice.ts";
import { consistency, consulHost, transformerList } from "./yamlnamer.ts";
import {
  backoff,
  byFlag,
  clientTls,
  experimental,
  hostPort,
  istio,
  namerdTls,
  nothing,
  zkAddrs,
} from "./yamlparts.ts";
import type { Reading } from "./yamlreading.ts";
import { existing, int, path, text } from "./yamlscalars.ts";
import type { At } from "./yamlsource.ts";
import { type Fields, nested, optional, preset, required, table } from "./yamltypes.ts";

const dst = required(path, "the name under which it is found", "`dst` is a required field");
const retry = (baseSeconds: number) =>
  nested(
    table(
      {
        baseSeconds: preset(int(), baseSeconds, "first pause"),
        maxSeconds: preset(int(), 600, "longest pause"),
      },
      (value, at, { source }) => {
        if (value.baseSeconds > 0 && value.maxSeconds >= value.baseSeconds) return;
        source.error(
          at,
          `illegal retry values: baseSeconds=${value.baseSeconds} maxSeconds=${value.maxSeconds}`,
          "both above 0, and maxSeconds not below baseSeconds",
        );
      },
    ),
    "pauses between attempts to reach it",
  );
const failureThreshold = (closeTimeoutMs: number) =>
  optional(
    table({
      minPeriodMs: preset(int(), 5000, "time over which failures are counted"),
      closeTimeoutMs: preset(
        int(),
        closeTimeoutMs,
        "time without an answer that counts as failure",
      ),
    }),
    "when a connection to it is given up",
  );

export const interpreters = {
  default: { doc: "the configured namers", ...nothing },
  "io.l5d.namerd": {
    doc: "namerd, over Thrift",
    fields: {
      dst,
      namespace: preset(text, "default", "the dtab's namespace"),
      retry: retry(5),
      tls: optional(namerdTls, "TLS to namerd"),
      failureThreshold: failureThreshold(4000),
    },
  },
  "io.l5d.namerd.http": {
    doc: "namerd, over HTTP",
    experimental: true,
    fields: {
      dst,
      namespace: preset(text, "default", "the dtab's namespace"),
      retry: retry(5),
      tls: optional(clientTls, "TLS to namerd"),
    },
  },
  "io.l5d.mesh": {
    doc: "namerd, over gRPC",
    fields: {
      dst,
      root: preset(path, ["default"] as Path, "the dtab's namespace, as a path of one segment"),
      retry: retry(1),
      tls: optional(clientTls, "TLS to namerd"),
      failureThreshold: failureThreshold(6000),
      initialStreamWindowSizeKB: preset(int(), 10_240, "window of an HTTP/2 stream"),
    },
    check: (value: { root?: Path }, at: At, reading: Reading) => {
      if (!value.root || value.root.length === 1) return;
      reading.source.error(
        reading.placeOf(value, "root"),
        `io.l5d.mesh: \`root\` may only contain a single path element (for now): ${printPath(value.root)}`,
      );
    },
  },
  "io.l5d.fs": {
    doc: "the configured namers, below a dtab in a watched file",
    fields: { dtabFile: required(existing("file"), "the file") },
  },
  "io.l5d.k8s.configMap": {
    doc: "the configured namers, below a dtab in a ConfigMap",
    experimental: true,
    fields: {
      name: required(text, "the ConfigMap"),
      filename: required(text, "its key"),
      namespace: preset(text, "default", "its namespace"),
      ...hostPort("localhost", 8001),
    },
  },
  "io.l5d.consul.interpreter": {
    doc: "the configured namers, below a dtab in Consul",
    fields: {
      ...consulHost,
      pathPrefix: preset(path, ["namerd", "dtabs"] as Path, "the key below which dtabs are stored"),
      namespace: preset(text, "default", "the dtab's namespace"),
      datacenter: optional(text, "the data centre; the agent's otherwise"),
      readConsistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      writeConsistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      backoff: optional(backoff, "pauses between attempts; from 1 ms to 1 minute otherwise"),
    },
  },
  "io.l5d.k8s.istio": {
    doc: "Istio 0.x, which is no more",
    experimental: true,
    fields: istio.fields,
  },
} as const;
const interpreterFields = { experimental, transformers: transformerList };
export type InterpreterConfig = KindValue<typeof interpreters, typeof interpreterFields>;
export const interpreter = kinds<InterpreterConfig>("interpreter", interpreterFields, {
  experimental: (kind) => `The ${kind} interpreter ${byFlag}.`,
});

export const announcers = {
  "io.l5d.serversets": {
    doc: "announce servers in ZooKeeper",
    fields: {
      zkAddrs: required(zkAddrs, "ZooKeeper's servers"),
      pathPrefix: preset(path, ["discovery"] as Path, "the node below which they are announced"),
    },
  },
} as const;
const announcerFields: Fields = {
  prefix: optional(path, "the prefix of its names, after /#; its kind otherwise"),
};
export type AnnouncerConfig = KindValue<typeof announcers> & { readonly prefix: Path | undefined };
export const announcer = kinds<AnnouncerConfig>("announcer", announcerFields);
