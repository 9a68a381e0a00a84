// The control plane of the soak, in a process of its own so that it can be killed. It is told by messages what the
// manifests are, and answers the first with the environments of its workloads' sidecars.

import { type ControlPlane, startControlPlane } from "../support/controlplane.ts";
import { PLANE_PORT } from "./soakworld.ts";

const [ip = "", folder = "", ...pods] = process.argv.slice(2);

/** One start for all messages: those that come meanwhile wait for it. */
let starting: Promise<ControlPlane> | undefined;

process.on("message", (yaml: string) => void learn(yaml));
// It ends with whoever started it.
process.on("disconnect", () => process.exit());

async function learn(yaml: string): Promise<void> {
  if (starting !== undefined) {
    (await starting).apply(yaml);
    return;
  }
  starting = startControlPlane(yaml, { ip, port: PLANE_PORT, folder });
  const plane = await starting;
  const envs = pods.map((pod) => [pod, plane.env({ pod, serviceAccount: "web" })]);
  process.send!(Object.fromEntries(envs));
}
