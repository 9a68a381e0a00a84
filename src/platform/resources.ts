// Where the control plane gets resources from and writes their status to. Kubernetes and the local mesh are
// two of these; tests make a third from a few manifests. Nothing behind this interface knows who asks.

import type { Watch } from "../base/watch.ts";
import type { Kind, Resource } from "./kinds.ts";

/** A service account whose token was good. */
export type Account = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** Where there is an API server. */
  readonly uid?: string;
};

/** Resources of one kind by "namespace/name" (the name alone for what has no namespace). */
export type ResourceMap<K extends Kind> = ReadonlyMap<string, Resource<K>>;

export interface Resources {
  /** The resources of a kind; a new map on each change. An unserved kind is an empty map. */
  watch<K extends Kind>(kind: K): Watch<ResourceMap<K>>;
  /** The account of a token made out to `audience`; rejects with an `unauthenticated` fault. */
  reviewToken(token: string, audience: string): Promise<Account>;
  /** Replaces the status of a resource; does nothing when it is gone. */
  writeStatus(kind: Kind, key: string, status: unknown): Promise<void>;
}
