// What we read of Kubernetes' own kinds: metadata, pods and what makes them, services and their endpoints.
// The words are those of the Kubernetes API reference; keys that are not here are dropped.

import {
  bool,
  integer,
  list,
  lists,
  name,
  object,
  oneOf,
  optional,
  or,
  port,
  portOrName,
  records,
  text,
} from "./shape.ts";

const owner = object({ apiVersion: optional(text), kind: name, name, uid: or(text, () => "") });

export const metadata = object({
  name,
  namespace: or(text, () => ""),
  uid: or(text, () => ""),
  labels: records(text),
  annotations: records(text),
  creationTimestamp: or(text, () => ""),
  deletionTimestamp: optional(text),
  resourceVersion: or(text, () => ""),
  generation: optional(integer()),
  ownerReferences: lists(owner),
});

/** `matchLabels` and `matchExpressions`; an empty selector matches everything. */
export const labelSelector = object({
  matchLabels: records(text),
  matchExpressions: lists(
    object({
      key: name,
      operator: oneOf("In", "NotIn", "Exists", "DoesNotExist"),
      values: lists(text),
    }),
  ),
});

export const condition = object({
  type: name,
  status: oneOf("True", "False", "Unknown"),
  reason: optional(text),
  message: optional(text),
  lastTransitionTime: optional(text),
  observedGeneration: optional(integer()),
});

const keyRef = object({ name, key: name, optional: optional(bool) });

const envVar = object({
  name,
  value: optional(text),
  valueFrom: optional(
    object({
      fieldRef: optional(object({ fieldPath: name })),
      configMapKeyRef: optional(keyRef),
      secretKeyRef: optional(keyRef),
    }),
  ),
});

const envFromRef = object({ name, optional: optional(bool) });

const exec = object({ command: list(text, 1) });

const probe = object({
  httpGet: optional(
    object({
      path: or(text, () => "/"),
      port: portOrName,
      host: optional(text),
      scheme: or(oneOf("HTTP", "HTTPS"), () => "HTTP" as const),
      httpHeaders: lists(object({ name, value: text })),
    }),
  ),
  tcpSocket: optional(object({ port: portOrName, host: optional(text) })),
  exec: optional(exec),
  grpc: optional(object({ port, service: optional(text) })),
  initialDelaySeconds: or(integer(), () => 0),
  periodSeconds: or(integer(1), () => 10),
  timeoutSeconds: or(integer(1), () => 1),
  successThreshold: or(integer(1), () => 1),
  failureThreshold: or(integer(1), () => 3),
});

const container = object({
  name,
  image: or(text, () => ""),
  command: optional(list(text)),
  args: optional(list(text)),
  workingDir: optional(text),
  env: lists(envVar),
  envFrom: lists(
    object({
      prefix: optional(text),
      configMapRef: optional(envFromRef),
      secretRef: optional(envFromRef),
    }),
  ),
  ports: lists(
    object({
      name: optional(name),
      containerPort: port,
      hostPort: optional(port),
      protocol: or(oneOf("TCP", "UDP", "SCTP"), () => "TCP" as const),
    }),
  ),
  readinessProbe: optional(probe),
  livenessProbe: optional(probe),
  startupProbe: optional(probe),
  lifecycle: optional(object({ preStop: optional(object({ exec: optional(exec) })) })),
  restartPolicy: optional(oneOf("Always", "OnFailure", "Never")),
});

const podSpec = object({
  readinessGates: optional(lists(object({ conditionType: text }))),
  containers: list(container, 1),
  initContainers: lists(container),
  serviceAccountName: or(name, () => "default"),
  nodeName: optional(text),
  hostNetwork: optional(bool),
  hostname: optional(text),
  subdomain: optional(text),
  restartPolicy: optional(oneOf("Always", "OnFailure", "Never")),
  terminationGracePeriodSeconds: or(integer(), () => 30),
  automountServiceAccountToken: optional(bool),
});

const podTemplate = object({
  metadata: or(
    object({ labels: records(text), annotations: records(text), name: optional(text) }),
    () => ({ labels: {}, annotations: {} }),
  ),
  spec: podSpec,
});

const stateDetail = object({
  reason: optional(text),
  message: optional(text),
  // Of 32 bits with a sign on Windows.
  exitCode: optional(integer(Number.MIN_SAFE_INTEGER)),
  startedAt: optional(text),
  finishedAt: optional(text),
});

const containerStatus = object({
  name,
  ready: bool,
  restartCount: or(integer(), () => 0),
  image: or(text, () => ""),
  started: optional(bool),
  state: optional(
    object({
      running: optional(stateDetail),
      waiting: optional(stateDetail),
      terminated: optional(stateDetail),
    }),
  ),
  lastState: optional(object({ terminated: optional(stateDetail) })),
});

const podStatus = object({
  phase: or(
    oneOf("Pending", "Running", "Succeeded", "Failed", "Unknown"),
    () => "Pending" as const,
  ),
  podIP: optional(text),
  podIPs: lists(object({ ip: text })),
  hostIP: optional(text),
  startTime: optional(text),
  reason: optional(text),
  message: optional(text),
  conditions: lists(condition),
  initContainerStatuses: lists(containerStatus),
  containerStatuses: lists(containerStatus),
});

export const namespace = object({ metadata });
export const serviceAccount = object({ metadata });
export const node = object({ metadata });
export const pod = object({ metadata, spec: podSpec, status: optional(podStatus) });
export const configMap = object({ metadata, data: records(text) });
export const secret = object({ metadata, data: records(text), stringData: records(text) });

const replicaStatus = optional(
  object({
    replicas: or(integer(), () => 0),
    readyReplicas: or(integer(), () => 0),
    updatedReplicas: or(integer(), () => 0),
    availableReplicas: or(integer(), () => 0),
    observedGeneration: optional(integer()),
    conditions: lists(condition),
  }),
);

/** Deployment, StatefulSet, ReplicaSet and DaemonSet: a selector, a template and how many. */
export const workload = object({
  metadata,
  spec: object({
    replicas: optional(integer()),
    selector: or(labelSelector, () => ({ matchLabels: {}, matchExpressions: [] })),
    template: podTemplate,
    serviceName: optional(text),
    strategy: optional(object({ type: optional(oneOf("RollingUpdate", "Recreate")) })),
    minReadySeconds: optional(integer()),
  }),
  status: replicaStatus,
});

export const job = object({
  metadata,
  spec: object({
    template: podTemplate,
    completions: optional(integer()),
    parallelism: optional(integer()),
    backoffLimit: or(integer(), () => 6),
    selector: optional(labelSelector),
  }),
  status: optional(
    object({
      active: optional(integer()),
      succeeded: optional(integer()),
      failed: optional(integer()),
      conditions: lists(condition),
    }),
  ),
});

export const service = object({
  metadata,
  spec: object({
    type: or(
      oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
      () => "ClusterIP" as const,
    ),
    clusterIP: optional(text),
    clusterIPs: lists(text),
    selector: records(text),
    ports: lists(
      object({
        name: optional(text),
        port,
        targetPort: optional(portOrName),
        nodePort: optional(port),
        protocol: or(oneOf("TCP", "UDP", "SCTP"), () => "TCP" as const),
        appProtocol: optional(text),
      }),
    ),
    externalName: optional(text),
    internalTrafficPolicy: optional(oneOf("Cluster", "Local")),
    publishNotReadyAddresses: optional(bool),
    trafficDistribution: optional(text),
  }),
});

export const endpointSlice = object({
  metadata,
  addressType: or(oneOf("IPv4", "IPv6", "FQDN"), () => "IPv4" as const),
  endpoints: lists(
    object({
      addresses: list(text, 1),
      conditions: or(
        object({
          ready: optional(bool),
          serving: optional(bool),
          terminating: optional(bool),
        }),
        () => ({}),
      ),
      hostname: optional(text),
      nodeName: optional(text),
      zone: optional(text),
      hints: optional(object({ forZones: lists(object({ name: text })) })),
      targetRef: optional(object({ kind: name, name, namespace: optional(text) })),
    }),
  ),
  ports: lists(
    object({
      name: optional(text),
      port: optional(port),
      protocol: or(oneOf("TCP", "UDP", "SCTP"), () => "TCP" as const),
      appProtocol: optional(text),
    }),
  ),
});
