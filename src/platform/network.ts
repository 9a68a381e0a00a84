// How a pod is connected: with loopback addresses of its own, or inside a network namespace. The runtime
// asks for an attachment and does not know which of the two it got.

import type { Target } from "./mentions.ts";

/** An address on which a pod reaches one port of a service. */
export type Listener = { readonly listen: string; readonly target: Target };

/** A pod's place in the network. */
export interface Attachment {
  readonly ip: string;
  /** Where its sidecar (or, without one, a plain forwarder) listens for its calls; empty when calls are redirected. */
  readonly listeners: readonly Listener[];
  /** What the application is told of its network. */
  readonly env: Readonly<Record<string, string>>;
  /** A value or argument as the application shall see it. */
  rewrite(text: string): string;
  /** The command line that runs `argv` in the pod's network. */
  within(argv: readonly string[]): readonly string[];
  close(): Promise<void>;
}

export type PodPlace = {
  readonly namespace: string;
  readonly name: string;
  readonly meshed: boolean;
  /** Values and arguments that may name services. */
  readonly texts: readonly string[];
};

export interface Network {
  attach(pod: PodPlace): Promise<Attachment>;
  /** An address for a new service. */
  serviceIp(): string;
}
