// The real control plane in this process, on manifests in memory that a test may change; it can be stopped and
// started again at the same address, as on the day when it is away.

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { Var } from "../../src/base/watch.ts";
import { startController } from "../../src/control/controller.ts";
import { certify } from "../../src/control/identity.ts";
import { type Issuer, openIssuer } from "../../src/control/issuer.ts";
import { DEFAULT_SETTINGS } from "../../src/control/world.ts";
import type { Kind } from "../../src/platform/kinds.ts";
import { parseManifests } from "../../src/platform/manifests.ts";
import { identityOf } from "../../src/platform/sidecar.ts";
import { sliceChanges } from "../../src/platform/slices.ts";
import { put } from "../../src/platform/store.ts";
import { Tokens } from "../../src/platform/tokens.ts";
import { storeFrom } from "../support/world.ts";

export type ControlPlane = {
  /** Adds manifests, or replaces those of the same name. */
  apply(yaml: string): void;
  remove(kind: Kind, key: string): void;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Who signs certificates, and with which anchors; another may be set. */
  readonly issuer: Var<Issuer>;
  /** A certificate for the workloads of this mesh. */
  certify(name: string, csr: Buffer): Promise<{ chain: Uint8Array[]; rootsPem: string }>;
  /** What the sidecar of a pod has to know of it. */
  env(pod: string): Record<string, string>;
};

const ACCOUNT = { namespace: "ns", serviceAccount: "web" };

export async function controlPlane(
  yaml: string,
  ip: string,
  folder: string,
): Promise<ControlPlane> {
  const clock = systemClock;
  const settings = DEFAULT_SETTINGS;
  const store = storeFrom(yaml);
  const tokens = new Tokens(randomBytes(32), clock);
  const first = await openIssuer(join(folder, "issuer"), settings.trustDomain, clock);
  const issuer = new Var(first.issuer);
  const token = join(folder, "token");
  writeFileSync(token, tokens.issue(ACCOUNT));
  const slices = (): void => {
    const changes = sliceChanges(store);
    const gone = changes.remove.map((key) => ({ kind: "EndpointSlice", key }) as const);
    store.apply([...changes.put.map(put), ...gone]);
  };
  const start = () =>
    startController({
      resources: {
        watch: (kind) => store.watch(kind),
        reviewToken: async (text, audience) => tokens.review(text, audience),
        writeStatus: async () => {},
      },
      settings,
      issuer,
      clock,
      listen: {
        destination: { ip, port: 28_086 },
        policy: { ip, port: 28_087 },
        identity: { ip, port: 28_088 },
      },
    });
  let controller = await start();
  const networks = "0.0.0.0/0,::/0";
  return {
    issuer,
    apply(more) {
      store.put(...parseManifests([["test.yaml", more]]).resources);
      slices();
    },
    remove(kind, key) {
      store.remove(kind, key);
      slices();
    },
    async certify(name, csr) {
      const signed = await certify(name, tokens.issue(ACCOUNT), csr, {
        issuer: issuer.value!,
        trustDomain: settings.trustDomain,
        review: async (text, audience) => tokens.review(text, audience),
        clock,
      });
      return { chain: [signed.leaf, ...signed.intermediates], rootsPem: issuer.value!.anchorsPem };
    },
    stop: () => controller.close(0),
    start: async () => {
      controller = await start();
    },
    env: (pod) => ({
      LINKERD2_PROXY_DESTINATION_SVC_ADDR: `${ip}:28086`,
      LINKERD2_PROXY_DESTINATION_CONTEXT: JSON.stringify({ ns: "ns", nodeName: "node-a", pod }),
      LINKERD2_PROXY_POLICY_SVC_ADDR: `${ip}:28087`,
      LINKERD2_PROXY_POLICY_WORKLOAD: JSON.stringify({ ns: "ns", pod }),
      LINKERD2_PROXY_POLICY_CLUSTER_NETWORKS: networks,
      LINKERD2_PROXY_IDENTITY_SVC_ADDR: `${ip}:28088`,
      LINKERD2_PROXY_IDENTITY_TOKEN_FILE: token,
      LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS: issuer.value!.anchorsPem,
      LINKERD2_PROXY_IDENTITY_LOCAL_NAME: identityOf("web", "ns", settings),
    }),
  };
}
