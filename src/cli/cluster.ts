// The cluster that a command talks to: the one of the kubeconfig.

import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import {
  findKubeconfig,
  inCluster,
  isInCluster,
  type KubeAccess,
  readKubeconfig,
} from "../platform/kubeconfig.ts";
import type { Globals } from "./command.ts";

/** The API server of the kubeconfig, or of the pod that this runs in, until the scope closes; undefined when there is
 * neither. */
export function findCluster(
  globals: Globals,
  env: NodeJS.ProcessEnv,
  scope?: Scope,
): KubeApi | undefined {
  const access = findAccess(globals, env);
  const api = access && new KubeApi(access);
  if (api) scope?.defer(() => api.close());
  return api;
}

function findAccess(globals: Globals, env: NodeJS.ProcessEnv): KubeAccess | undefined {
  const paths = findKubeconfig(globals, env);
  if (paths.length > 0) return readKubeconfig(paths, globals, env);
  if (globals.context !== undefined || !isInCluster(env)) return undefined;
  return { ...inCluster(env), as: globals.as, asGroups: globals.asGroup };
}

/** The same; throws a fault that says what to do when there is none. */
export function needCluster(globals: Globals, env: NodeJS.ProcessEnv, scope?: Scope): KubeApi {
  const api = findCluster(globals, env, scope);
  if (api) return api;
  throw new Fault(
    "not-found",
    "no cluster is known here: name its kubeconfig with --kubeconfig or $KUBECONFIG",
  );
}
