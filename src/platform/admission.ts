// What an API server does with resources before it stores them: completes their metadata, gives services
// addresses, makes namespaces that nobody wrote down, and tells what has changed.

import { randomUUID } from "node:crypto";
import type { Clock } from "../base/clock.ts";
import type { Metadata, Resource, Service } from "./kinds.ts";
import { apiVersionOf, keyOf, KINDS, kindOfResource } from "./kinds.ts";
import { resourceOf } from "./manifests.ts";
import type { RunRequest } from "./mesh.ts";
import type { Network } from "./network.ts";
import type { Store } from "./store.ts";

export type Admitted = {
  /** A line for each resource, such as "deployment.apps/web created". */
  readonly lines: readonly string[];
  /** Those that are new or differ from what the store has. */
  readonly changed: readonly Resource[];
};

export class Admission {
  readonly #store: Store;
  readonly #network: Network;
  readonly #clock: Clock;
  #version = 0;

  constructor(store: Store, network: Network, clock: Clock) {
    this.#store = store;
    this.#network = network;
    this.#clock = clock;
  }

  /** What is to be stored of `resources`. */
  admit(resources: readonly Resource[]): Admitted {
    const lines: string[] = [];
    const changed: Resource[] = [];
    for (const resource of [...this.#namespaces(resources), ...resources]) {
      const before = this.#store.get(kindOfResource(resource), keyOf(resource));
      const next = this.#complete(resource, before);
      const same = before !== undefined && contentOf(before) === contentOf(next);
      const verb = before === undefined ? "created" : same ? "unchanged" : "configured";
      lines.push(`${titleOf(resource)} ${verb}`);
      if (!same) changed.push(next);
    }
    return { lines, changed };
  }

  #namespaces(resources: readonly Resource[]): Resource[] {
    const named = new Set(resources.map(({ metadata }) => metadata.namespace));
    for (const each of resources) if (each.kind === "Namespace") named.delete(each.metadata.name);
    for (const name of ["", ...this.#store.all("Namespace").keys()]) named.delete(name);
    return [...named].map((name) =>
      resourceOf("Namespace", {
        metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
      }),
    );
  }

  #complete(resource: Resource, before: Resource | undefined): Resource {
    const now = new Date(this.#clock.wall()).toISOString();
    const metadata: Metadata = {
      ...resource.metadata,
      uid: before?.metadata.uid ?? randomUUID(),
      creationTimestamp: before?.metadata.creationTimestamp ?? now,
      resourceVersion: String(++this.#version),
    };
    const status = (before as { status?: unknown } | undefined)?.status;
    const complete = { ...resource, metadata, ...(status !== undefined && { status }) } as Resource;
    if (kindOfResource(resource) !== "Service") return complete;
    return this.#withAddress(complete as Service, before as Service | undefined);
  }

  #withAddress(service: Service, before: Service | undefined): Service {
    const { spec } = service;
    if (spec.type === "ExternalName" || spec.clusterIP === "None") return service;
    const clusterIP = before?.spec.clusterIP ?? this.#network.serviceIp();
    return { ...service, spec: { ...spec, clusterIP, clusterIPs: [clusterIP] } };
  }
}

/** What somebody wrote of a resource, without what is added to it later. */
export function contentOf(resource: Resource): string {
  const { metadata, status: _, ...rest } = resource as Resource & { status?: unknown };
  return JSON.stringify([metadata.labels, metadata.annotations, rest]);
}

/** The Service and the Deployment of a command that is to be run. */
export function resourcesToRun(request: RunRequest): Resource[] {
  const { name, namespace, port, argv, cwd, env = {}, replicas = 1 } = request;
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const variables = Object.entries({ PORT: String(port), ...env });
  const container = {
    name,
    command: argv,
    env: variables.map(([key, value]) => ({ name: key, value })),
    ports: [{ containerPort: port }],
    readinessProbe: { tcpSocket: { port } },
    ...(cwd !== undefined && { workingDir: cwd }),
  };
  return [
    resourceOf("Service", { metadata, spec: { selector: labels, ports: [{ port }] } }),
    resourceOf("Deployment", {
      apiVersion: apiVersionOf("Deployment"),
      metadata,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    }),
  ];
}

// "deployment.apps/web", as kubectl says it.
function titleOf(resource: Resource): string {
  const { group, kind } = KINDS[kindOfResource(resource)];
  return `${kind.toLowerCase()}${group === "" ? "" : `.${group}`}/${resource.metadata.name}`;
}
