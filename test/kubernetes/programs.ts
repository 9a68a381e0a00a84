// Programs of apps/ in pods: a ConfigMap brings their sources, so that no image need be packed for them. And words with
// them, from inside: what a client there sees is what an application sees.

import { join } from "node:path";
import { eventually, HOME, kubectl } from "./cluster.ts";

const APPS = join(HOME, "test/kubernetes/apps");

/** Makes the namespace, with annotations of the form `name=value`, and the ConfigMap `programs` in it. */
export async function makeNamespace(ns: string, ...annotations: string[]): Promise<void> {
  await kubectl(`create namespace ${ns}`);
  if (annotations.length > 0) await kubectl(["annotate", "namespace", ns, ...annotations]);
  const load = `--from-file=load.ts=${join(HOME, "test/mesh/load.ts")}`;
  const files = ["store", "ledger", "job", "loader"].map(
    (name) => `--from-file=${join(APPS, name)}.ts`,
  );
  await kubectl(["create", "configmap", "programs", "-n", ns, load, ...files]);
}

/** Applies a file of apps/ to a namespace. */
export const apply = (ns: string, file: string): Promise<string> =>
  kubectl(["apply", "-n", ns, "-f", join(APPS, file)]);

/** Runs a script of Node in `what`, such as "deploy/web" or "pod/web-1 -c linkerd-proxy"; resolves to what it prints. */
export async function within(ns: string, what: string, script: string): Promise<string> {
  return kubectl([
    "exec",
    "-n",
    ns,
    ...what.split(" "),
    "--",
    "node",
    "--input-type=module",
    "-e",
    script,
  ]);
}

/** Waits until the workloads, such as `deploy/web`, are as their manifests want them: minutes, on a busy machine. */
export async function rolledOut(ns: string, ...names: string[]): Promise<void> {
  for (const name of names)
    await eventually(name, () => kubectl(`rollout status -n ${ns} ${name} --timeout=80s`), 240_000);
}
