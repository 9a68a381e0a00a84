// The kinds of namers, and of the transformers that stand behind them: what they take.

import { captureNames } from "../name/matcher.ts";
import { type Path, printPath } from "../name/path.ts";
import { type KindValue, kinds } from "./yamlchoice.ts";
import { byFlag, clientTls, experimental, hostPort, nothing, zkAddrs } from "./yamlparts.ts";
import type { Reading } from "./yamlreading.ts";
import {
  bool,
  did,
  existing,
  int,
  ip,
  number,
  oneOf,
  path,
  type Pattern,
  pattern,
  port,
  text,
} from "./yamlscalars.ts";
import type { At } from "./yamlsource.ts";
import { list, mapOf, optional, preset, required, table } from "./yamltypes.ts";

export const transformers = {
  "io.l5d.localhost": { doc: "keep addresses of this machine", ...nothing },
  "io.l5d.specificHost": {
    doc: "keep the addresses of one host",
    fields: { host: required(ip, "its address") },
  },
  "io.l5d.port": {
    doc: "every address at one port",
    fields: { port: required(port, "the port") },
  },
  "io.l5d.k8s.daemonset": {
    doc: "the pod of a daemonset on the node of each address",
    fields: {
      k8sHost: preset(text, "localhost", "host of the Kubernetes API"),
      k8sPort: preset(port, 8001, "its port"),
      namespace: required(text, "namespace of the daemonset's service"),
      service: required(text, "the daemonset's service"),
      port: required(text, "the port's name"),
      hostNetwork: preset(bool, false, "the daemonset's pods are in the network of their nodes"),
    },
  },
  "io.l5d.k8s.localnode": {
    doc: "keep addresses of this node",
    fields: {
      hostNetwork: preset(bool, false, "this pod is in the network of its node"),
    },
  },
  "io.l5d.replace": {
    doc: "every bound name becomes another",
    fields: { path: required(path, "the other name") },
  },
  "io.l5d.const": {
    doc: "whatever is asked for, one name",
    fields: { path: required(path, "the name") },
  },
} as const;
const transformerFields = {
  prefix: optional(
    path,
    "stands before the ids of the names that went through it, in place of its own",
  ),
};
export type TransformerConfig = KindValue<typeof transformers, typeof transformerFields>;
const transformer = kinds<TransformerConfig>("transformer", transformerFields);

/** The transformers of a namer or an interpreter. */
export const transformerList = preset(
  list(transformer),
  [],
  "what is done to the names that are found, in order",
);

const k8s = {
  ...hostPort("localhost", 8001),
  labelSelector: optional(text, "a label whose value is the fourth segment of a name"),
};
/** What everything that asks Consul takes. */
export const consulHost = {
  ...hostPort("localhost", 8500),
  token: optional(text, "ACL token"),
  failFast: preset(bool, false, "fail at once while Consul is away"),
  tls: optional(clientTls, "TLS to Consul"),
};
/** Consul's consistency modes. */
export const consistency = oneOf("default", "stale", "consistent");

export const namers = {
  "io.l5d.fs": {
    doc: "files of a folder, one `host port [* weight]` a line",
    fields: { rootDir: required(existing("folder"), "the folder") },
  },
  "io.l5d.serversets": {
    doc: "server sets in ZooKeeper",
    fields: { zkAddrs: required(zkAddrs, "ZooKeeper's servers") },
  },
  "io.l5d.consul": {
    doc: "services of Consul: /<dc>/<service>",
    fields: {
      ...consulHost,
      includeTag: preset(bool, false, "names are /<dc>/<tag>/<service>"),
      useHealthCheck: preset(bool, false, "only endpoints whose checks pass"),
      healthStatuses: preset(
        list(oneOf("passing", "warning", "critical")),
        ["passing"],
        "statuses that count as healthy",
      ),
      setHost: preset(bool, false, "send Host <service>.service.<dc>.<domain>"),
      consistencyMode: preset(consistency, "default", "Consul's consistency mode"),
      preferServiceAddress: preset(bool, true, "the service's address before the node's"),
      weights: preset(
        list(table({ tag: required(text, "a tag"), weight: required(number(), "its weight") })),
        [],
        "weights of endpoints by their tags",
      ),
      fixedLengthStreamedAfterKB: preset(int(), 5120, "accepted and without effect"),
      transferMetadata: preset(bool, false, "copy the service's metadata to its addresses"),
    },
  },
  "io.l5d.k8s": { doc: "Kubernetes: /<namespace>/<port>/<service>", fields: k8s },
  "io.l5d.k8s.external": {
    doc: "load balancers of Kubernetes services",
    experimental: true,
    fields: k8s,
  },
  "io.l5d.k8s.ns": {
    doc: "Kubernetes, one namespace: /<port>/<service>",
    fields: {
      ...k8s,
      envVar: preset(text, "POD_NAMESPACE", "the environment variable with the namespace"),
    },
  },
  "io.l5d.k8s.istio": {
    doc: "Istio 0.x, which is no more",
    experimental: true,
    fields: hostPort("istio-manager.default.svc.cluster.local", 8080),
  },
  "io.l5d.marathon": {
    doc: "apps of Marathon",
    fields: {
      ...hostPort("marathon.mesos", 80),
      uriPrefix: optional(text, "stands before the API's paths"),
      ttlMs: preset(int(), 5000, "time between polls"),
      jitterMs: preset(int(), 50, "random share of that time"),
      useHealthCheck: preset(bool, false, "only tasks whose checks pass"),
      tls: optional(clientTls, "TLS to Marathon"),
      dst: optional(path, "the name under which Marathon is found, in place of host and port"),
    },
  },
  "io.l5d.dnssrv": {
    doc: "SRV records of DNS",
    experimental: true,
    fields: {
      refreshIntervalSeconds: preset(int(1), 5, "seconds between questions"),
      dnsHosts: preset(list(text), [], "DNS servers; the system's otherwise"),
    },
  },
  "io.l5d.zkLeader": {
    doc: "the leader of an election in ZooKeeper",
    fields: { zkAddrs: required(zkAddrs, "ZooKeeper's servers") },
  },
  "io.l5d.curator": {
    doc: "services that Curator registered in ZooKeeper",
    experimental: true,
    fields: {
      zkAddrs: required(zkAddrs, "ZooKeeper's servers"),
      basePath: preset(text, "/", "the path below which services are registered"),
    },
  },
  "io.l5d.rancher": {
    doc: "services of Rancher",
    experimental: true,
    fields: {
      portMappings: optional(mapOf(port), "ports by their names, beside http and https"),
      maxWait: preset(int(), 30, "longest pause between questions, in seconds"),
    },
  },
  "io.l5d.rewrite": {
    doc: "names that match a pattern become others",
    fields: {
      prefix: required(
        path,
        "the prefix of the names it takes",
        "The 'prefix' property is required for the io.l5d.rewrite namer.",
      ),
      pattern: required(pattern, "what they look like, with {captures}"),
      name: required(text, "what they become, captures put in"),
    },
    check: (value: { pattern?: Pattern; name?: string }, at: At, reading: Reading) => {
      const captured = captureNames(value.pattern?.pattern ?? "");
      for (const name of captureNames(value.name ?? "")) {
        if (captured.includes(name)) continue;
        const place = reading.placeOf(value, "name");
        reading.source.error(
          place,
          `{${name}} is not captured by pattern`,
          did(captured[0] && `{${captured[0]}}`),
        );
      }
    },
  },
} as const;
const namerFields = {
  prefix: optional(path, "the prefix of its names, after /#; its kind otherwise"),
  experimental,
  transformers: transformerList,
};
export type NamerConfig = KindValue<typeof namers, typeof namerFields>;
export const namer = kinds<NamerConfig>("namer", namerFields, {
  experimental: (kind, value) =>
    `The ${printPath(["#", ...((value.prefix as Path | undefined) ?? [kind])])} namer ${byFlag}.`,
});

/** The prefix of a namer's names: `/#/<prefix>`. */
export function namerPrefix(config: { kind: string; prefix?: Path | undefined }): Path {
  return ["#", ...(config.prefix ?? [config.kind])];
}
