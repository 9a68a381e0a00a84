// A control plane in this process, on resources in memory: what tests of whole proxies and benchmarks start theirs with.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { constant } from "../../src/base/watch.ts";
import { startController } from "../../src/control/controller.ts";
import { type Issuer, openIssuer } from "../../src/control/issuer.ts";
import { DEFAULT_SETTINGS, type MeshSettings } from "../../src/control/world.ts";
import { parseManifests } from "../../src/platform/manifests.ts";
import type { Resources } from "../../src/platform/resources.ts";
import { identityOf } from "../../src/platform/sidecar.ts";
import { sliceChanges } from "../../src/platform/slices.ts";
import { put } from "../../src/platform/store.ts";
import { Tokens } from "../../src/platform/tokens.ts";
import { storeFrom } from "./world.ts";

/** The workload that a proxy is for: a pod of the namespace `ns`. */
export type Workload = { readonly pod: string; readonly serviceAccount: string };

export type ControlPlane = {
  readonly issuer: Issuer;
  /** The environment that tells the proxy of a workload of this control plane; where it listens is left to say. */
  env(workload: Workload): Record<string, string>;
  /** Adds manifests, or replaces those of the same name. */
  apply(yaml: string): void;
  stop(): Promise<void>;
};

const NAMESPACE = "ns";

/** Starts one on three ports of `ip` from `port` on; `folder` keeps its key and tokens. */
export async function startControlPlane(
  yaml: string,
  {
    ip,
    port,
    folder,
    ...more
  }: Partial<MeshSettings> & { ip: string; port: number; folder: string },
): Promise<ControlPlane> {
  const settings = { ...DEFAULT_SETTINGS, ...more };
  const store = storeFrom(yaml);
  const tokens = new Tokens(randomBytes(32), systemClock);
  const resources: Resources = {
    watch: (kind) => store.watch(kind),
    reviewToken: async (token, audience) => tokens.review(token, audience),
    writeStatus: async () => {},
  };
  const { issuer } = await openIssuer(join(folder, "issuer"), settings.trustDomain, systemClock);
  const controller = await startController({
    resources,
    settings,
    issuer: constant(issuer),
    clock: systemClock,
    listen: {
      destination: { ip, port },
      policy: { ip, port: port + 1 },
      identity: { ip, port: port + 2 },
    },
  });
  return {
    issuer,
    env({ pod, serviceAccount }) {
      const token = join(folder, `${pod}.token`);
      writeFileSync(token, tokens.issue({ namespace: NAMESPACE, serviceAccount }), { mode: 0o644 });
      const networks = "0.0.0.0/0,::/0";
      const variables = {
        DESTINATION_SVC_ADDR: `${ip}:${port}`,
        DESTINATION_CONTEXT: JSON.stringify({ ns: NAMESPACE, nodeName: "node-a", pod }),
        DESTINATION_PROFILE_NETWORKS: networks,
        POLICY_SVC_ADDR: `${ip}:${port + 1}`,
        POLICY_WORKLOAD: JSON.stringify({ ns: NAMESPACE, pod }),
        POLICY_CLUSTER_NETWORKS: networks,
        IDENTITY_SVC_ADDR: `${ip}:${port + 2}`,
        IDENTITY_DIR: join(folder, `${pod}.identity`),
        IDENTITY_TOKEN_FILE: token,
        IDENTITY_TRUST_ANCHORS: issuer.anchorsPem,
        IDENTITY_LOCAL_NAME: identityOf(serviceAccount, NAMESPACE, settings),
      };
      return Object.fromEntries(
        Object.entries(variables).map(([name, value]) => [`LINKERD2_PROXY_${name}`, value]),
      );
    },
    apply(more) {
      store.put(...parseManifests([["test.yaml", more]]).resources);
      store.apply(sliceChanges(store).put.map(put));
    },
    stop: () => controller.close(0),
  };
}
