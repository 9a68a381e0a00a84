// Which ports a pod has, and lists of ports as annotations write them ("25,3306,9000-9010,mysql").

import type { RawPod } from "./manifest.ts";

type Spec<C> = { readonly initContainers?: readonly C[]; readonly containers: readonly C[] };

/** Everything that runs in a pod while it serves: native sidecars, and the containers of the application. */
export const containersOf = <
  C extends { readonly name: string; readonly restartPolicy?: unknown },
>({
  spec,
}: {
  readonly spec: Spec<C>;
}): readonly C[] => [
  ...(spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always"),
  ...spec.containers,
];

/** The ports and ranges of a list; names become the numbers that the pod's containers give them. */
export function podPorts(list: string, pod: RawPod): string[] {
  const named = new Map(
    containersOf(pod)
      .flatMap(({ ports }) => ports ?? [])
      .map(({ name, containerPort }) => [name, String(containerPort)]),
  );
  return list
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean)
    .flatMap((word) => (/^\d+(-\d+)?$/.test(word) ? [word] : (named.get(word) ?? [])));
}

/** Whether a list of ports and ranges holds `port`. */
export function hasPort(list: string, port: number): boolean {
  return list.split(",").some((word) => {
    const [low, high = low] = word.trim().split("-").map(Number);
    return port >= low! && port <= high!;
  });
}

/** TCP ports of a pod's containers and those that its HTTP probes ask, sorted. */
export function inboundPorts(pod: RawPod): number[] {
  const found = new Set<number>();
  for (const { ports = [], livenessProbe, readinessProbe, startupProbe } of containersOf(pod)) {
    for (const { containerPort, protocol = "TCP" } of ports) {
      if (protocol === "TCP") found.add(containerPort);
    }
    for (const probe of [livenessProbe, readinessProbe, startupProbe]) {
      const port = probe?.httpGet?.port;
      const named = ports.find(({ name }) => name === port)?.containerPort;
      const number = typeof port === "number" ? port : (named ?? Number(port));
      if (number > 0) found.add(number);
    }
  }
  return [...found].sort((a, b) => a - b);
}
