// How a pod is connected: with loopback addresses of its own, or inside network namespaces. The runtime asks
// for an attachment and does not know which of the two it got.

import type { Target } from "./mentions.ts";

/** An address on which a pod reaches one port of a service. */
export type Listener = { readonly listen: string; readonly target: Target };

/** A listener of a sidecar and what it stands for: ["127.0.0.1:8080", "10.96.0.3:80"]. */
export type Original = readonly [listen: string, original: string];

/** The annotation that says what a pod calls by addresses that are its own: "127.112.0.1:4140=web-svc.shop:8080,…". */
export const NAMES = "local.linkerd.io/names";

/** A pod's place in the network. */
export interface Attachment {
  readonly ip: string;
  /** What the application is told of its network. */
  readonly env: Readonly<Record<string, string>>;
  /** What its resource tells of it. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Variables of its sidecar, by their full names. */
  readonly sidecar: Readonly<Record<string, string>>;
  /** A value or argument as the application shall see it. */
  rewrite(text: string): string;
  /** The command line that runs `argv` in the pod's network and in `cwd`. */
  within(argv: readonly string[], cwd: string): readonly string[];
  /** The command line that runs the sidecar's `argv`. */
  beside(argv: readonly string[]): readonly string[];
  /** Whether the application listens on a port, where a connection would not tell. */
  readonly listens?: (port: number) => boolean;
  close(): Promise<void>;
}

export type PodPlace = {
  readonly namespace: string;
  readonly name: string;
  readonly meshed: boolean;
  /** Values and arguments that may name services. */
  readonly texts: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Listeners that the sidecar of the edge has, and which must be reached from the machine itself. */
  readonly entrances: readonly Original[];
};

export interface Network {
  attach(pod: PodPlace): Promise<Attachment>;
  /** An address for a new service. */
  serviceIp(): string;
  /** Whether a port of the machine's 127.0.0.1 can be published. */
  isFree(port: number): Promise<boolean>;
}
