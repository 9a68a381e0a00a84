// Flags that several viz verbs share, and how their values become messages of the viz API.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import type { ResourceSchema } from "../../proto/gen/viz/viz_pb.js";
import { ALL, parseResource, parseResources, type ResourceName } from "../viz/kinds.ts";
import { resourceOf } from "../viz/messages.ts";
import { namedIn } from "../viz/world.ts";
import { duration, optional, toggle } from "./flag.ts";
import { printDuration } from "./format.ts";
import type { Mesh } from "./mesh.ts";

export const namespace = optional(
  "NAME",
  "Namespace of the resource (default: that of the context)",
  {
    short: "n",
    offers: "namespace",
  },
);

export const allNamespaces = toggle("In all namespaces", { short: "A" });

export const selector = optional(
  "LABELS",
  "Only resources with these labels (app=web,tier!=cache)",
  {
    short: "l",
  },
);

export const timeWindow = duration("1m", "Window of time that is looked at, at least 15s", {
  short: "t",
});

export const partners = {
  to: optional("RESOURCE", "Only what is sent to this resource", { offers: "resource" }),
  toNamespace: optional("NAME", "Namespace of the --to resource", { offers: "namespace" }),
};

type WithNamespace = Readonly<{ namespace: string | undefined; allNamespaces?: boolean }>;

/** The namespace that flags name, else that of the context; "" for all. */
export function namespaceOf(
  { namespace, allNamespaces = false }: WithNamespace,
  { defaultNamespace }: Pick<Mesh, "defaultNamespace">,
): string {
  if (allNamespaces && namespace !== undefined)
    throw new Fault("bad-input", "--all-namespaces and --namespace exclude each other");
  return allNamespaces ? "" : (namespace ?? defaultNamespace);
}

type ResourceInit = MessageInitShape<typeof ResourceSchema>;

/** The one resource, or all of one kind, that the words after a verb name; refuses several, and `all`. */
export function oneResource(args: readonly string[], verb: string): ResourceName {
  const [resource, ...more] = parseResources(args);
  if (more.length > 0)
    throw new Fault("bad-input", `${verb} is about one resource at a time: leave out the others`);
  if (resource!.kind === ALL)
    throw new Fault("bad-input", `"all" is not supported by ${verb}: name a kind, such as deploy`);
  return resource!;
}

/** The name of a service that may be written "svc/web". */
export const serviceName = (word: string): string => word.replace(/^(svc|services?)\//, "");

/** A resource as the API takes it. */
export function resourceIn(namespace: string, resource: ResourceName): ResourceInit {
  return resourceOf(namedIn(namespace, resource));
}

/** What `--to`/`--from` and their namespaces say; undefined when neither is given. */
export function partner(
  resource: string | undefined,
  itsNamespace: string | undefined,
  ownNamespace: string,
): ResourceInit | undefined {
  if (resource !== undefined)
    return resourceIn(itsNamespace ?? ownNamespace, parseResource(resource));
  if (itsNamespace === undefined) return undefined;
  return { namespace: "", type: "namespace", name: itsNamespace };
}

/** The window as the API takes it; refuses one that few proxies were scraped in. */
export function windowText(ms: number): string {
  if (ms < 15_000)
    throw new Fault(
      "bad-input",
      "--time-window must be 15s or more: proxies are not looked at more often",
    );
  return printDuration(ms);
}

type Answer = { readonly case: string | undefined; readonly value?: unknown };
type Good<A extends Answer> = Extract<A, { case: "ok" }> extends { value: infer T } ? T : never;

/** The good part of an answer, or the API's own complaint as a fault. */
export function okOf<A extends Answer>({ response }: { readonly response: A }): Good<A> {
  if (response.case === "ok") return response.value as Good<A>;
  const complaint = (response.value as { error?: string } | undefined)?.error;
  throw new Fault("unavailable", complaint || "the viz API gave an empty answer");
}
