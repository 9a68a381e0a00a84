// What `linkerd check --proxy` looks at: the pods of the data plane, their certificates and their ports.

import { Fault } from "../base/fault.ts";
import { readText } from "../viz/scrape.ts";
import { parseText } from "../viz/text.ts";
import type { MeshPod, World } from "../viz/world.ts";
import { isTrusted, proxyCertificates } from "./certificate.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, row } from "./checkcontext.ts";
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
      refuse(
        proxies.filter((pod) => !pod.proxyReady),
        "The proxies of these pods are not ready:",
      );
    }),
    row("warning", "data plane and cli versions match", "l5d-data-plane-cli-version", async (c) => {
      const own = c.expectedVersion ?? clientVersion(c.env);
      const other = (await c.proxies()).filter(
        ({ proxyVersion }) => !["", "local", own].includes(proxyVersion),
      );
      refuse(
        other,
        `These pods have another version of the proxy than ${own}:`,
        (pod) => pod.proxyVersion,
      );
    }),
    row(
      "warning",
      "data plane pod labels are configured correctly",
      "l5d-data-plane-pod-labels",
      async (c) => {
        const pods = (await c.world()).pods.filter(
          ({ namespace }) => c.namespace === "" || namespace === c.namespace,
        );
        const wrong = pods.flatMap(({ namespace, name, labels }) =>
          Object.keys(labels)
            .filter(isForAnnotations)
            .map((key) => `\t* ${key} on ${namespace}/${name}`),
        );
        refuseLabels(wrong);
      },
    ),
    row(
      "warning",
      "data plane service labels are configured correctly",
      "l5d-data-plane-services-labels",
      async (c) => {
        refuseLabels(misplaced(await c.world(), c.namespace, "labels", isForAnnotations));
      },
    ),
    row(
      "warning",
      "data plane service annotations are configured correctly",
      "l5d-data-plane-services-annotations",
      async (c) => {
        const wrong = misplaced(await c.world(), c.namespace, "annotations", (key) =>
          key.startsWith("mirror.linkerd.io/"),
        );
        if (wrong.length > 0)
          throw new Fault(
            "bad-input",
            `These labels are annotations, where they do nothing:\n${wrong.join("\n")}`,
          );
      },
    ),
  ],
};

const dataPlaneIdentity: Category<CheckContext> = {
  id: "linkerd-identity-data-plane",
  checks: [
    row(
      "warning",
      "data plane proxies certificate match CA",
      "l5d-identity-data-plane-proxies-certs-match-ca",
      async (c) => {
        const mesh = await c.mesh();
        const anchors = await c.anchors();
        const issuer = await c.issuer();
        const problems: string[] = [];
        for (const pod of await c.proxies()) {
          const chain = await proxyCertificates(mesh, pod).catch((error: Error) => error.message);
          if (typeof chain === "string") problems.push(chain);
          else if (!isTrusted([...chain, issuer], anchors))
            problems.push(`${pod.namespace}/${pod.name}: its certificate has no trust anchor`);
          const said = await askTrust(await mesh.reach(pod, pod.adminPort));
          if (said && anchors.some(({ fingerprint256: id }) => !said.anchors.includes(id)))
            problems.push(`${pod.namespace}/${pod.name}: it does not have all trust anchors yet`);
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
        const problems = await mismatchedOpaquePorts(await c.world(), c.namespace);
        if (problems.length > 0) throw new Fault("bad-input", problems.join("\n"));
      },
    ),
    row(
      "warning",
      "no connection waits for protocol detection to time out",
      "linkerd-opaque-ports-definition",
      async (c) => {
        const mesh = await c.mesh();
        const lists = await Promise.all(
          (await c.proxies()).map((pod) => detectionTimeouts(mesh, pod)),
        );
        if (lists.flat().length > 0) {
          throw new Fault(
            "bad-input",
            `Mark these ports with config.linkerd.io/opaque-ports:\n${lists.flat().join("\n")}`,
          );
        }
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

function refuse(
  pods: readonly MeshPod[],
  title: string,
  more: (pod: MeshPod) => string = (pod) => pod.status,
): void {
  if (pods.length === 0) return;
  const lines = pods.map((pod) => `\t* ${pod.namespace}/${pod.name} (${more(pod)})`);
  throw new Fault("bad-input", `${title}\n${lines.join("\n")}`);
}

const isForAnnotations = (key: string): boolean =>
  key === "linkerd.io/inject" || key.startsWith("config.linkerd.io/");

function refuseLabels(wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const lines = wrong.join("\n");
  throw new Fault("bad-input", `These annotations are labels, where they do nothing:\n${lines}`);
}

function misplaced(
  world: World,
  namespace: string,
  where: "labels" | "annotations",
  isWrong: (key: string) => boolean,
): string[] {
  return [...world.services.values()]
    .filter(({ metadata }) => namespace === "" || metadata.namespace === namespace)
    .flatMap(({ metadata }) =>
      Object.keys(metadata[where])
        .filter(isWrong)
        .map((key) => `\t* ${key} on ${metadata.namespace}/${metadata.name}`),
    );
}

const OPAQUE = "config.linkerd.io/opaque-ports";

// A port that is opaque for the service and not for its pods, or the other way round, is detected by one side only.
async function mismatchedOpaquePorts(world: World, namespace: string): Promise<string[]> {
  const problems: string[] = [];
  for (const { metadata, spec } of world.services.values()) {
    if (namespace !== "" && metadata.namespace !== namespace) continue;
    const ofService = portsIn(metadata.annotations[OPAQUE]);
    const wanted = Object.entries(spec.selector);
    for (const pod of world.pods) {
      const isBehind =
        wanted.length > 0 &&
        pod.namespace === metadata.namespace &&
        wanted.every(([k, v]) => pod.labels[k] === v);
      if (!isBehind || !pod.meshed) continue;
      const ofPod = portsIn(pod.annotations[OPAQUE]);
      for (const { port, targetPort } of spec.ports) {
        const target = typeof targetPort === "number" ? targetPort : port;
        const [a, b] = [ofService.includes(port), ofPod.includes(target)];
        const [has, lacks] = a ? ["service", "pod"] : ["pod", "service"];
        const named = { service: `service ${metadata.name}`, pod: `pod ${pod.name}` } as Record<
          string,
          string
        >;
        if (a !== b)
          problems.push(
            `\t* ${named[has!]} has the opaque port ${a ? port : target}, ${named[lacks!]} does not`,
          );
      }
    }
  }
  return problems;
}

/** "25,100-102" → [25, 100, 101, 102] */
function portsIn(text: string | undefined): number[] {
  return (text ?? "").split(",").flatMap((part) => {
    const [from = NaN, to = from] = part
      .split("-")
      .map((word) => (word.trim() === "" ? NaN : Number(word)));
    return Number.isInteger(from) && to >= from
      ? Array.from({ length: to - from + 1 }, (_, i) => from + i)
      : [];
  });
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
      found.push(
        `\t* ${pod.namespace}/${pod.name}: ${family.split("_")[0]} ${where} (${value} times)`,
      );
    },
  );
  return found;
}
