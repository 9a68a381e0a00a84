// The destination and policy services as they run in a cluster, on the API server of KUBECONFIG, but as a process of this
// machine and without TLS: what the measurement of scale.ts is about, and nothing else in its memory.

import { systemClock } from "../../src/base/clock.ts";
import { startController } from "../../src/control/controller.ts";
import { READ } from "../../src/control/reads.ts";
import { findApi } from "../../src/control/kubeprocess.ts";
import { DEFAULT_SETTINGS } from "../../src/control/world.ts";
import { kubeResources } from "../../src/platform/kube.ts";

const port = Number(process.argv[2]);
await startController({
  resources: kubeResources(findApi(process.env), { clock: systemClock, kinds: READ }),
  settings: DEFAULT_SETTINGS,
  listen: {
    destination: { ip: "127.0.0.1", port },
    policy: { ip: "127.0.0.1", port: port + 1 },
  },
  clock: systemClock,
});
process.send!("listening");
// Asked for its memory, it tells what is left of its heap once all that nobody needs is gone, in megabytes.
process.on("message", () => {
  globalThis.gc!();
  process.send!(process.memoryUsage().heapUsed / (1 << 20));
});
process.on("disconnect", () => process.exit());
