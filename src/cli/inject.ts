// The verbs `linkerd inject` and `linkerd uninject`: manifests in, manifests out, and on standard error a line for
// each thing that could have been changed. Without --manual only annotations are written; the cluster does the rest.

import { Fault } from "../base/fault.ts";
import { inject as injectObject, SKIPPED, type SkipReason } from "../control/inject.ts";
import { fetchInstallation } from "../control/installation.ts";
import type { Installation } from "../control/injectproxy.ts";
import type { RawObject, Strings } from "../control/manifest.ts";
import { isWorkload, podOf, withMetadata, withPod } from "../control/manifest.ts";
import { uninject as uninjectObject } from "../control/uninject.ts";
import { readValues } from "../control/values.ts";
import { needCluster } from "./cluster.ts";
import { command, type Globals } from "./command.ts";
import { count, oneOf, optional, toggle, type Values } from "./flag.ts";
import { printObjects, readObjects } from "./manifestfiles.ts";
import { SIDECAR, SIDECAR_FLAGS } from "./proxyflags.ts";
import type { Terminal } from "./terminal.ts";
import { annotationsOf } from "./valueflags.ts";

const output = oneOf(["yaml", "json"], "Format of the manifests", { short: "o" });

const INJECT_FLAGS = {
  ...SIDECAR_FLAGS,
  manual: toggle("Write the sidecar itself into the manifests, and not only what asks for it"),
  ignoreCluster: toggle("With --manual, do not ask the cluster for its configuration"),
  enableDebugSidecar: toggle("Add a container with tools to look at the network"),
  closeWaitTimeout: optional("TIME", "Sets nf_conntrack_tcp_timeout_close_wait in the pod"),
  ingress: toggle("For ingress controllers: route by l5d-dst-override"),
  nativeSidecar: optional(
    "true|false",
    "Run the proxy as a native sidecar (default: as installed)",
  ),
  waitBeforeExitSeconds: count("N", 0, "Time for which the proxy stays after it was told to end"),
  requireIdentityOnInboundPorts: optional(
    "PORTS",
    "Ports that take connections with an identity only",
  ),
  opaquePorts: optional("PORTS", "Ports whose protocol the proxy shall not look for"),
  output,
};

type InjectFlags = Values<typeof INJECT_FLAGS>;

export const inject = command({
  name: "inject",
  summary: "Add the mesh to Kubernetes manifests",
  usage: "FILE|FOLDER|URL|-",
  examples: [
    ["A file, and apply it", "inject web.yaml | kubectl apply -f -"],
    ['What runs already, behind "kubectl get deploy -o yaml |"', "inject - | kubectl apply -f -"],
    ["With the sidecar written out", "inject --manual web.yaml"],
  ],
  args: [1, 100],
  offers: "file",
  flags: INJECT_FLAGS,
  run: async ({ args, flags, globals, terminal }) => {
    const objects = await readObjects(args);
    const installation = flags.manual
      ? await manualInstallation(flags, globals, terminal)
      : undefined;
    const results = objects.map((object) => injectOne(object, flags, installation));
    terminal.print(
      printObjects(
        results.map(({ object }) => object),
        flags.output,
      ),
    );
    terminal.note("");
    for (const { lines } of results) for (const line of lines) terminal.note(line);
    terminal.note("");
  },
});

export const uninject = command({
  name: "uninject",
  summary: "Take the mesh out of Kubernetes manifests",
  usage: "FILE|FOLDER|URL|-",
  examples: [["A file, and apply it", "uninject web.yaml | kubectl apply -f -"]],
  args: [1, 100],
  offers: "file",
  flags: { output },
  run: async ({ args, flags, terminal }) => {
    const results = (await readObjects(args)).map((object) => ({ object, ...uninjected(object) }));
    terminal.print(
      printObjects(
        results.map(({ after }) => after),
        flags.output,
      ),
    );
    terminal.note("");
    for (const { object, changed } of results)
      terminal.note(`${nameOf(object)} ${changed ? "uninjected" : "skipped"}`);
    terminal.note("");
  },
});

type Result = {
  readonly object: RawObject;
  readonly lines: readonly string[];
};

function injectOne(
  object: RawObject,
  flags: InjectFlags,
  installation: Installation | undefined,
): Result {
  const annotations = wantedAnnotations(flags);
  const said = (what: string): string[] => [`${nameOf(object)} ${what}`];
  if (object.kind === "Namespace") {
    const metadata = withMetadata(object.metadata, annotations);
    return { object: { ...object, metadata }, lines: said("injected") };
  }
  if (object.kind === "Service") {
    const ports = flags.opaquePorts;
    if (ports === undefined) return { object, lines: said("skipped") };
    const metadata = withMetadata(object.metadata, { "config.linkerd.io/opaque-ports": ports });
    return { object: { ...object, metadata }, lines: said("annotated") };
  }
  const pod = podOf(object);
  if (!pod) return { object, lines: said("skipped") };
  if (object.kind === "Pod" && object.metadata?.["uid"] !== undefined) {
    return {
      object,
      lines: said(
        `skipped: a pod cannot be changed once it runs; inject ${ownerOf(object)} in its place`,
      ),
    };
  }
  const annotated = withPod(object, { ...pod, metadata: withMetadata(pod.metadata, annotations) });
  // The same rules decide whether it may be: with what is written now, the webhook would refuse it later.
  const tried = injectObject(annotated, installation ?? DEFAULTS);
  const [reason] = tried.skipped;
  if (reason !== undefined && reason !== "sidecar_already_exists")
    return { object, lines: [`${nameOf(object)} skipped`, ...why(object, reason)] };
  const lines = [
    ...said("injected"),
    ...(tried.hasUdp ? [`    ‼ ${nameOf(object)} uses "protocol: UDP", which no proxy sees`] : []),
  ];
  if (!installation) return { object: annotated, lines };
  return reason ? { object, lines: said("skipped") } : { object: tried.object, lines };
}

function why(object: RawObject, reason: SkipReason): string[] {
  return reason === "injection_disable_annotation_present"
    ? []
    : [`    × failed to inject ${nameOf(object)}: ${SKIPPED[reason]}`];
}

const DEFAULTS: Installation = {
  values: readValues({}).values,
  namespace: "linkerd",
  trustAnchors: "",
};

function wantedAnnotations(flags: InjectFlags): Strings {
  const config = (name: string, value: string | undefined): Record<string, string> =>
    value === undefined ? {} : { [`config.linkerd.io/${name}`]: value };
  const wait = flags.waitBeforeExitSeconds;
  return {
    "linkerd.io/inject": flags.ingress ? "ingress" : "enabled",
    ...config("proxy-image", flags.registry && `${flags.registry}/proxy`),
    ...config("debug-image", flags.registry && `${flags.registry}/debug`),
    ...annotationsOf(SIDECAR, flags),
    ...config("enable-debug-sidecar", flags.enableDebugSidecar ? "true" : undefined),
    ...config("close-wait-timeout", flags.closeWaitTimeout),
    ...config("proxy-enable-native-sidecar", flags.nativeSidecar),
    ...config("proxy-require-identity-inbound-ports", flags.requireIdentityOnInboundPorts),
    ...config("opaque-ports", flags.opaquePorts),
    ...(wait > 0 ? { "config.alpha.linkerd.io/proxy-wait-before-exit-seconds": String(wait) } : {}),
  };
}

async function manualInstallation(
  flags: InjectFlags,
  globals: Globals,
  terminal: Terminal,
): Promise<Installation> {
  if (flags.ignoreCluster) return { ...DEFAULTS, namespace: globals.linkerdNamespace };
  const api = needCluster(globals, terminal.env, terminal.scope);
  return fetchInstallation(api, globals.linkerdNamespace).catch((error: unknown) => {
    throw new Fault(
      "not-found",
      `${Fault.from(error).message}; --ignore-cluster injects with defaults, without trust anchors`,
    );
  });
}

function uninjected(object: RawObject): { after: RawObject; changed: boolean } {
  if (!isWorkload(object) && object.kind !== "Namespace" && object.kind !== "Service")
    return { after: object, changed: false };
  const { object: after, changed } = uninjectObject(object);
  return { after, changed };
}

function nameOf({ kind = "", metadata }: RawObject): string {
  return `${kind.toLowerCase()} "${metadata?.name ?? metadata?.generateName ?? ""}"`;
}

function ownerOf({ metadata }: RawObject): string {
  const [owner] = metadata?.ownerReferences ?? [];
  if (!owner) return "the manifest that it was made from";
  const hash = `-${metadata?.labels?.["pod-template-hash"]}`;
  return owner.kind === "ReplicaSet" && owner.name.endsWith(hash)
    ? `deployment/${owner.name.slice(0, -hash.length)}`
    : `${owner.kind.toLowerCase()}/${owner.name}`;
}
