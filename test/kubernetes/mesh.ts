// One installation that the tests share: whoever needs the mesh asks for it, and the first who does installs it.

import { kubectl, linkerd } from "./cluster.ts";

/** Installs what is missing of the control plane, and waits until it is all right. */
export async function installMesh(): Promise<void> {
  if ((await linkerd("check", "", 20_000)).code === 0) return;
  await kubectl("apply -f -", (await linkerd("install --crds")).stdout);
  const { code, stdout, stderr } = await linkerd("install");
  if (code === 0) await kubectl("apply -f -", stdout);
  const check = await linkerd("check --wait 2m", "", 150_000);
  if (check.code !== 0) throw new Error(`the mesh did not come up: ${stderr}\n${check.stdout}`);
}

/** Takes away what is there of viz. */
export async function removeViz(): Promise<void> {
  const { stdout } = await linkerd("viz uninstall");
  if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
}

/** Takes away all that is there of the mesh and of its extensions. */
export async function removeMesh(): Promise<void> {
  await removeViz();
  const { stdout } = await linkerd("uninstall --force");
  if (stdout.trim() !== "") await kubectl("delete --ignore-not-found -f -", stdout);
}
