// What proxies are told of where something comes from: the resource that stands for it, or a name where none does.

import type { Metadata as Meta, MetadataSchema } from "../../proto/gen/meta_pb.js";
import { kindOfResource, KINDS, type Metadata, type Resource } from "../platform/kinds.ts";
import type { Init } from "./init.ts";

export type MetaInit = Init<typeof MetadataSchema>;

/** A reference to a resource; the core group is spelled out. */
export function resource(group: string, kind: string, name: string, namespace: string, port = 0) {
  const value = { group: group || "core", kind, name, namespace, port };
  return { kind: { case: "resource" as const, value } };
}

/** The resource itself. */
export function metaOf(
  of: Resource<"HTTPRoute" | "PolicyHTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute">,
) {
  const { group, kind } = KINDS[kindOfResource(of)];
  return resource(group, kind, of.metadata.name, of.metadata.namespace);
}

/** A port of a Service. */
export function serviceMeta(
  { name, namespace }: Pick<Metadata, "name" | "namespace">,
  port: number,
) {
  return resource("", "Service", name, namespace, port);
}

/** What no resource stands for. */
export function builtIn(name: string): { kind: Extract<Meta["kind"], { case: "default" }> } {
  return { kind: { case: "default", value: name } };
}
