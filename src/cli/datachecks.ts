// What `linkerd check --proxy` looks at: the pods of the data plane, their certificates and their ports.

import { Fault } from "../base/fault.ts";
import { hasPort } from "../control/podports.ts";
import type { Resource } from "../platform/kinds.ts";
import { readText } from "../viz/scrape.ts";
import { type Labels, parseText } from "../viz/text.ts";
import { type MeshPod, podsOf, type World } from "../viz/world.ts";
import { isTrusted, proxyCertificates } from "./certificate.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, refuse, row } from "./checkcontext.ts";
import { DATA_NEWEST } from "./clusterchecks.ts";
import type { Mesh } from "./mesh.ts";
import { askTrust } from "./rotation.ts";
import { clientVersion } from "./version.ts";

const TIMEOUT_MS = 5000;

const dataPlane: Category<CheckContext> = {
  id: "linkerd-data-plane",
  checks: [
    row("fatal", "data plane namespace exists", "l5d-data-plane-exists", async (c) => {
      const all = (await c.world()).things.get("namespace") ?? [];
      if (c.namespace !== "" && !all.some(({ name }) => name === c.namespace)) {
        throw new Fault("not-found", `the "${c.namespace}" namespace does not exist`);
      }
    }),
    awaited("fatal", "data plane proxies are ready", "l5d-data-plane-ready", async (c) => {
      const proxies = await c.proxies();
      if (proxies.length === 0)
        throw new Fault(
          "not-found",
          `no "linkerd-proxy" containers found${c.namespace && ` in the "${c.namespace}" namespace`}`,
        );
      const waiting = proxies.filter((pod) => !pod.proxyReady);
      refuse(
        "The proxies of these pods are not ready:",
        waiting.map((pod) => `${nameOf(pod)} (${pod.status})`),
      );
    }),
    DATA_NEWEST,
    row("warning", "data plane and cli versions match", "l5d-data-plane-cli-version", async (c) => {
      const own = c.expectedVersion ?? clientVersion(c.env);
      const others = (await c.proxies()).filter(
        ({ proxyVersion }) => !["", "local", own].includes(proxyVersion),
      );
      refuse(
        `These pods have another version of the proxy than ${own}:`,
        others.map((pod) => `${nameOf(pod)} (${pod.proxyVersion})`),
      );
    }),
    row(
      "warning",
      "data plane pod labels are configured correctly",
      "l5d-data-plane-pod-labels",
      async (c) => {
        const pods = inScope(c, (await c.world()).pods);
        refuse(IDLE_LABELS, misplaced(pods, "labels", isForAnnotations));
      },
    ),
    row(
      "warning",
      "data plane service labels are configured correctly",
      "l5d-data-plane-services-labels",
      async (c) => refuse(IDLE_LABELS, misplaced(await services(c), "labels", isForAnnotations)),
    ),
    row(
      "warning",
      "data plane service annotations are configured correctly",
      "l5d-data-plane-services-annotations",
      async (c) => {
        const isForLabels = (key: string): boolean => key.startsWith("mirror.linkerd.io/");
        const wrong = misplaced(await services(c), "annotations", isForLabels);
        refuse("These labels are annotations, where they do nothing:", wrong);
      },
    ),
  ],
};

const IDLE_LABELS = "These annotations are labels, where they do nothing:";

const dataPlaneIdentity: Category<CheckContext> = {
  id: "linkerd-identity-data-plane",
  checks: [
    row(
      "warning",
      "data plane proxies certificate match CA",
      "l5d-identity-data-plane-proxies-certs-match-ca",
      async (c) => {
        const [mesh, anchors, issuer] = [await c.mesh(), await c.anchors(), await c.issuer()];
        const problems: string[] = [];
        for (const pod of await c.proxies()) {
          const chain = await proxyCertificates(mesh, pod).catch((error: Error) => error.message);
          if (typeof chain === "string") problems.push(chain);
          else if (!isTrusted([...chain, issuer], anchors))
            problems.push(`${nameOf(pod)}: its certificate has no trust anchor`);
          const said = await askTrust(await mesh.reach(pod, pod.adminPort));
          if (said && anchors.some(({ fingerprint256: id }) => !said.anchors.includes(id)))
            problems.push(`${nameOf(pod)}: it does not have all trust anchors yet`);
        }
        if (problems.length > 0) throw new Fault("bad-input", problems.join("\n"));
      },
    ),
  ],
};

const opaquePorts: Category<CheckContext> = {
  id: "linkerd-opaque-ports-definition",
  checks: [
    row(
      "warning",
      "opaque ports are properly annotated",
      "linkerd-opaque-ports-definition",
      async (c) => {
        const world = await c.world();
        const problems = (await services(c)).flatMap((service) => disagreements(service, world));
        refuse("Only one side of these takes a port for opaque:", problems);
      },
    ),
    row(
      "warning",
      "no connection waits for protocol detection to time out",
      "linkerd-opaque-ports-definition",
      async (c) => {
        const mesh = await c.mesh();
        const pods = await c.proxies();
        const lists = await Promise.all(pods.map((pod) => detectionTimeouts(mesh, pod)));
        refuse("Mark these ports with config.linkerd.io/opaque-ports:", lists.flat());
      },
    ),
  ],
};

/** The categories in their order. */
export const DATA_PLANE: readonly Category<CheckContext>[] = [
  dataPlane,
  dataPlaneIdentity,
  opaquePorts,
];

type InNamespace = { readonly namespace: string; readonly name: string };

const nameOf = ({ namespace, name }: InNamespace): string => `${namespace}/${name}`;

const inScope = <T extends InNamespace>(c: CheckContext, all: readonly T[]): readonly T[] =>
  all.filter(({ namespace }) => c.namespace === "" || namespace === c.namespace);

type Service = Resource<"Service">["metadata"] & Resource<"Service">["spec"];

async function services(c: CheckContext): Promise<readonly Service[]> {
  const all = [...(await c.world()).services.values()];
  return inScope(
    c,
    all.map(({ metadata, spec }) => ({ ...metadata, ...spec })),
  );
}

const isForAnnotations = (key: string): boolean =>
  key === "linkerd.io/inject" || key.startsWith("config.linkerd.io/");

function misplaced<W extends "labels" | "annotations">(
  things: readonly (InNamespace & Readonly<Record<W, Labels>>)[],
  where: W,
  isWrong: (key: string) => boolean,
): string[] {
  return things.flatMap((thing) =>
    Object.keys(thing[where])
      .filter(isWrong)
      .map((key) => `${key} on ${nameOf(thing)}`),
  );
}

const OPAQUE = "config.linkerd.io/opaque-ports";

// A port that is opaque for the service and not for its pods, or the other way round, is detected by one side only.
function disagreements(service: Service, world: World): string[] {
  const { ports, annotations, namespace, name } = service;
  const behind = podsOf(world, { kind: "service", namespace, name }).filter(({ meshed }) => meshed);
  return behind.flatMap((pod) =>
    // What a name stands for is the container's to say.
    ports
      .filter(({ targetPort }) => typeof targetPort !== "string")
      .flatMap(({ port, targetPort = port }) => {
        const ofService = hasPort(annotations[OPAQUE] ?? "", port);
        if (ofService === hasPort(pod.annotations[OPAQUE] ?? "", Number(targetPort))) return [];
        return ofService
          ? [`service ${name} has the opaque port ${port}, pod ${pod.name} does not`]
          : [`pod ${pod.name} has the opaque port ${targetPort}, service ${name} does not`];
      }),
  );
}

async function detectionTimeouts(mesh: Mesh, pod: MeshPod): Promise<string[]> {
  const admin = await mesh.reach(pod, pod.adminPort);
  const metrics = await readText(admin, "/metrics", TIMEOUT_MS).catch(() => "");
  const found: string[] = [];
  parseText(
    metrics,
    (family) => /^(in|out)bound_tcp_detect_http_results_total$/.test(family),
    (family, _, value, labels) => {
      const { result, srv_port, parent_name, parent_port } = labels();
      if (result !== "read_timeout" || value === 0) return;
      const where = family.startsWith("in") ? `port ${srv_port}` : `${parent_name}:${parent_port}`;
      found.push(`${nameOf(pod)}: ${family.split("_")[0]} ${where} (${value} times)`);
    },
  );
  return found;
}
