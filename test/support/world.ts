// Worlds for tests of the control plane, from a few lines of YAML. Services get endpoint slices as the local
// mesh makes them; pods are written with their status.

import { parseManifests } from "../../src/platform/manifests.ts";
import { kinds } from "../../src/platform/kinds.ts";
import { Store, put } from "../../src/platform/store.ts";
import { sliceChanges } from "../../src/platform/slices.ts";
import { DEFAULT_SETTINGS, type MeshSettings, type World } from "../../src/control/world.ts";

/** The store of these manifests. */
export function storeFrom(yaml: string): Store {
  const store = new Store(parseManifests([["test.yaml", yaml]]).resources);
  store.apply(sliceChanges(store).put.map(put));
  return store;
}

/** The world of these manifests. */
export function worldFrom(yaml: string, settings: Partial<MeshSettings> = {}): World {
  const store = storeFrom(yaml);
  const resources = Object.fromEntries(kinds.map((kind) => [kind, store.all(kind)]));
  return { ...resources, settings: { ...DEFAULT_SETTINGS, ...settings } } as World;
}

/** The YAML of a ready pod; meshed unless told otherwise. */
export function podYaml(
  name: string,
  ip: string,
  more: { labels?: string; annotations?: string; meshed?: boolean; ready?: boolean } = {},
): string {
  const { labels = "app: web", annotations = "{}", meshed = true, ready = true } = more;
  return `
apiVersion: v1
kind: Pod
metadata:
  name: ${name}
  namespace: ns
  labels: {${labels}, pod-template-hash: abc${meshed ? ", linkerd.io/control-plane-ns: linkerd" : ""}}
  annotations: ${annotations}
  ownerReferences: [{kind: ReplicaSet, name: web-abc}]
spec:
  serviceAccountName: web
  nodeName: node-a
  containers:
    - name: web
      ports: [{name: http, containerPort: 8080}, {name: db, containerPort: 3306}]
      readinessProbe: {httpGet: {path: /healthz, port: http}}
status:
  phase: Running
  podIP: ${ip}
  conditions: [{type: Ready, status: "${ready ? "True" : "False"}"}]
`;
}
