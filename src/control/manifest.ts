// Kubernetes objects as they come in manifests and admission reviews: whole, since what is changed is written back.
// Only what injection looks at has a type; everything else passes through untouched.

export type Strings = Readonly<Record<string, string>>;

export type RawMetadata = {
  readonly name?: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly labels?: Strings | null;
  readonly annotations?: Strings | null;
  readonly ownerReferences?: readonly {
    readonly apiVersion?: string;
    readonly kind: string;
    readonly name: string;
    readonly uid?: string;
  }[];
  readonly [other: string]: unknown;
};

type RawPort = {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
};

type RawProbe = { readonly httpGet?: { readonly port: number | string } };

export type RawMount = {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
};

export type EnvVar = {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
};

export type RawContainer = {
  readonly name: string;
  readonly image?: string;
  readonly env?: readonly EnvVar[];
  readonly ports?: readonly RawPort[];
  readonly volumeMounts?: readonly RawMount[];
  readonly livenessProbe?: RawProbe;
  readonly readinessProbe?: RawProbe;
  readonly startupProbe?: RawProbe;
  readonly securityContext?: { readonly capabilities?: unknown; readonly [other: string]: unknown };
  readonly [other: string]: unknown;
};

export type RawPodSpec = {
  readonly containers: readonly RawContainer[];
  readonly initContainers?: readonly RawContainer[];
  readonly volumes?: readonly { readonly name: string; readonly [other: string]: unknown }[];
  readonly hostNetwork?: boolean;
  readonly automountServiceAccountToken?: boolean;
  readonly serviceAccountName?: string;
  readonly [other: string]: unknown;
};

export type RawObject = {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: RawMetadata;
  readonly spec?: unknown;
  readonly items?: readonly RawObject[];
  readonly [other: string]: unknown;
};

export type RawPod = { readonly metadata?: RawMetadata; readonly spec: RawPodSpec };

// Where the pod stands in an object of a kind; [] where the object is the pod.
const TEMPLATES: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  Deployment: ["spec", "template"],
  DaemonSet: ["spec", "template"],
  StatefulSet: ["spec", "template"],
  ReplicaSet: ["spec", "template"],
  ReplicationController: ["spec", "template"],
  Job: ["spec", "template"],
  CronJob: ["spec", "jobTemplate", "spec", "template"],
};

/** Whether objects of this kind make pods. */
export function isWorkload(object: RawObject): boolean {
  return object.kind !== undefined && Object.hasOwn(TEMPLATES, object.kind);
}

/** The pod that an object is or makes; undefined for what makes none, or has no containers. */
export function podOf(object: RawObject): RawPod | undefined {
  const path = isWorkload(object) ? TEMPLATES[object.kind!]! : undefined;
  const pod = path?.reduce<unknown>((at, key) => (at as RawObject | undefined)?.[key], object);
  const { spec } = (pod ?? {}) as { spec?: RawPodSpec };
  return spec?.containers?.length ? (pod as RawPod) : undefined;
}

/** The object with another pod in it. */
export function withPod(object: RawObject, pod: RawPod): RawObject {
  return replaced(object, TEMPLATES[object.kind!]!, pod) as RawObject;
}

function replaced(at: RawObject, [key, ...rest]: readonly string[], pod: RawPod): unknown {
  if (key === undefined) return { ...at, ...pod };
  return { ...at, [key]: replaced(at[key] as RawObject, rest, pod) };
}

/** Everything in an object: itself, or the items of a List. */
export function itemsOf(object: RawObject): readonly RawObject[] {
  return object.kind?.endsWith("List") || Array.isArray(object.items)
    ? (object.items ?? []).flatMap(itemsOf)
    : [object];
}

/** The metadata with more labels and annotations. */
export function withMetadata(
  metadata: RawMetadata | undefined,
  annotations: Strings,
  labels: Strings = {},
): RawMetadata {
  const merge = (key: "annotations" | "labels", more: Strings) =>
    Object.keys(more).length > 0 && { [key]: { ...metadata?.[key], ...more } };
  return { ...metadata, ...merge("annotations", annotations), ...merge("labels", labels) };
}
