// Which ports a pod has, and lists of ports as annotations write them: "25,3306,9000-9010,mysql", or "+25", which adds.

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

type NamedPort = { readonly name?: string | undefined; readonly containerPort: number };

/** The ports that a pod's containers declare. */
export const containerPorts = <P>(pod: {
  readonly spec: Spec<{ readonly name: string; readonly ports?: readonly P[] }>;
}): P[] => containersOf(pod).flatMap(({ ports }) => ports ?? []);

/** The ports and ranges of a list; names become the numbers that the pod's containers give them. */
export function podPorts(list: string, pod: RawPod): string[] {
  return numbersOf(list, containerPorts(pod));
}

/** Whether a list of ports, ranges, and names of `named` holds `port`. */
export function hasPort(list: string, port: number, named: readonly NamedPort[] = []): boolean {
  return numbersOf(list, named).some((word) => {
    const [low, high = low] = word.split("-").map(Number);
    return port >= low! && port <= high!;
  });
}

function numbersOf(list: string, named: readonly NamedPort[]): string[] {
  return list
    .replace("+", "")
    .split(",")
    .map((word) => word.trim())
    .flatMap((word) =>
      /^\d+(-\d+)?$/.test(word)
        ? [word]
        : named
            .filter(({ name }) => name === word)
            .map(({ containerPort }) => String(containerPort)),
    );
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
