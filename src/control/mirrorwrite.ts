// A request to this cluster's API server, as plans of mirrors make them.

import type { Strings } from "./manifest.ts";

export type Write = {
  readonly method: "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly body?: object;
};

/** Labels and annotations. */
export type Marks = { readonly labels: Strings; readonly annotations: Strings };

/** What makes an object, or replaces it where it is there; with a version, only that one. */
export function put(
  kind: "Service" | "Endpoints",
  key: string,
  isThere: boolean,
  { labels, annotations }: Marks,
  content: object,
  resourceVersion?: string,
): Write {
  const [namespace, name] = key.split("/");
  const metadata = {
    name,
    namespace,
    labels,
    annotations,
    ...(resourceVersion && { resourceVersion }),
  };
  return {
    method: isThere ? "PUT" : "POST",
    path: pathOf(kind === "Service" ? "services" : "endpoints", isThere ? key : `${namespace}/`),
    body: { apiVersion: "v1", kind, metadata, ...content },
  };
}

/** What takes a mirror away; its endpoints go with it. */
export const removal = (key: string): Write => ({
  method: "DELETE",
  path: pathOf("services", key),
});

/** "a/b" → "/api/v1/namespaces/a/services/b" */
function pathOf(plural: string, key: string): string {
  const [namespace, name] = key.split("/");
  return `/api/v1/namespaces/${namespace}/${plural}${name ? `/${name}` : ""}`;
}
