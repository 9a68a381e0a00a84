// Finds the mesh that a command talks to, and what it can be asked: the one in the local state folder, or (with a
// kubeconfig) a cluster's. Verbs know only this interface.

import type { DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Destination } from "../../proto/gen/destination_pb.js";
import type { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import type { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import type { Api } from "../../proto/gen/viz/viz_pb.js";
import type { TapByResourceRequestSchema, TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import type { Scope } from "../base/scope.ts";
import type { Resources } from "../platform/resources.ts";
import { contextsIn, findKubeconfig } from "../platform/kubeconfig.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { MeshPod, World } from "../viz/world.ts";
import { thingsOf } from "../viz/world.ts";
import type { Globals } from "./command.ts";
import type { Names } from "./completion.ts";
import { connectLocal } from "./localaccess.ts";
import type { LocalFacts } from "./localmesh.ts";

/** The methods of a gRPC service as functions; of a stream of answers, the first one. */
export type Client<S extends DescService> = {
  readonly [M in keyof S["method"]]: (
    request: MessageInitShape<S["method"][M]["input"]>,
  ) => Promise<MessageShape<S["method"][M]["output"]>>;
};

export type ControlPlane = {
  readonly destination: Client<typeof Destination>;
  readonly inbound: Client<typeof InboundServerPolicies>;
  readonly outbound: Client<typeof OutboundPolicies>;
};

export interface Mesh {
  /** The namespace when none is given. */
  readonly defaultNamespace: string;
  trustDomain(): Promise<string>;
  /** The domain of services' names. */
  clusterDomain(): Promise<string>;
  readonly viz: Client<typeof Api>;
  /** What viz answers at a path. */
  vizPage(path: string): Promise<string>;
  /** What proxies ask; of any instance, or of that in `pod`. */
  controlPlane(pod?: string): ControlPlane;
  /** Streams tap events until the scope closes or the server ends it. */
  tap(
    request: MessageInitShape<typeof TapByResourceRequestSchema>,
    each: (event: TapEvent) => void,
    scope: Scope,
  ): Promise<void>;
  /** Where a port of a pod is reached from here. */
  reach(pod: MeshPod, port: number): Promise<SocketAddr>;
  /** The version of the control plane. */
  version(): Promise<string>;
  /** Where a browser finds the dashboard; that of a cluster is brought to `host` and `port`, or the next free port,
   * until the scope closes. */
  dashboard(host: string, port: number, scope: Scope): Promise<string>;
  readonly resources: Resources;
  /** Pods and what else verbs ask about, as they are now. */
  world(): Promise<World>;
  /** The metrics of each container of the control plane, which have as long to come. */
  controllerMetrics(
    waitMs: number,
  ): Promise<readonly { pod: string; container: string; text: Promise<string> }[]>;
  /** PEM of the trust anchors, and of the issuer when it can be read. */
  certificates(): Promise<{ anchors: string; issuer: string | undefined }>;
  /** What only a local mesh has. */
  readonly local: LocalFacts | undefined;
}

/** The mesh that flags name, a cluster's or a local one; else that of $LINKERD_STATE_DIR, of $KUBECONFIG, the local one that
 * runs, or that of ~/.kube/config. Rejects with a fault that says how to start one when there is none. */
export async function findMesh(globals: Globals, env: NodeJS.ProcessEnv): Promise<Mesh> {
  if (await isCluster(globals, env)) {
    const { kubeMesh } = await import("./kubemesh.ts");
    return kubeMesh(globals, env);
  }
  const { localMesh } = await import("./localmesh.ts");
  return localMesh(globals, env);
}

/** Whether `findMesh` looks for a cluster's. */
export async function isCluster(globals: Globals, env: NodeJS.ProcessEnv): Promise<boolean> {
  if (globals.stateDir !== undefined) return false;
  if ((globals.kubeconfig ?? globals.context) !== undefined) return true;
  if (env["LINKERD_STATE_DIR"] !== undefined) return false;
  if (env["KUBECONFIG"] !== undefined) return true;
  if (findKubeconfig(globals, env).length === 0) return false;
  return connectLocal(globals, env).then(
    () => false,
    () => true,
  );
}

/** What can be named, for completion; of resources, those of a namespace when one is given. */
export function namesOf(
  namespace: string | undefined,
  globals: Globals,
  env: NodeJS.ProcessEnv,
): Names {
  return {
    contexts: () => contextsIn(findKubeconfig(globals, env)),
    resources: async (kind) => {
      const mesh = await findMesh(globals, env);
      const all = thingsOf(await mesh.world(), kind);
      const own = all.filter(
        (t) => kind === "namespace" || !namespace || t.namespace === namespace,
      );
      return own.map(({ name }) => name);
    },
  };
}
