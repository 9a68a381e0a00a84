// Finds the mesh that a command talks to: the one in the local state folder, or (with a kubeconfig) a cluster's.

import type { DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import type { Api } from "../../proto/gen/viz/viz_pb.js";
import type { TapByResourceRequestSchema, TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import type { MeshPod } from "../viz/world.ts";
import type { Globals } from "./command.ts";
import type { Names } from "./completion.ts";

/** The unary methods of a gRPC service as functions. */
export type Client<S extends DescService> = {
  readonly [M in keyof S["method"]]: (
    request: MessageInitShape<S["method"][M]["input"]>,
  ) => Promise<MessageShape<S["method"][M]["output"]>>;
};

export interface Mesh {
  readonly viz: Client<typeof Api>;
  /** The namespace when none is given. */
  readonly defaultNamespace: string;
  /** Streams tap events until the scope closes or the server ends it. */
  tap(
    request: MessageInitShape<typeof TapByResourceRequestSchema>,
    each: (event: TapEvent) => void,
    scope: Scope,
  ): Promise<void>;
  /** The version of the control plane. */
  version(): Promise<string>;
  /** Pods of a namespace ("" for all). */
  pods(namespace: string): Promise<readonly MeshPod[]>;
}

/** Rejects with a fault that says how to start one when there is no mesh. */
export async function findMesh(_globals: Globals, _env: NodeJS.ProcessEnv): Promise<Mesh> {
  throw new Fault(
    "not-found",
    'no mesh is running here: start one with "linkerd local up" or "linkerd demo"',
  );
}

/** What the mesh of the words' flags can name, for completion. */
export function namesOf(_words: readonly string[], _env: NodeJS.ProcessEnv): Names {
  return { namespaces: async () => [], resources: async () => [] };
}
