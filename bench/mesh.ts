// The sidecars under measurement, ours and the stock one, and the control plane that drives them both: ours, on
// resources in memory.

import type { Hop, Running } from "./peers.ts";
import type { World } from "./world.ts";

/** A running control plane. */
export type Mesh = { stop(): Promise<void> };

export async function startMesh(_world: World): Promise<Mesh> {
  return { stop: async () => {} };
}

export async function ours(_world: World, _mesh: Mesh, _hop: Hop): Promise<Running> {
  throw new Error("not yet");
}

export async function linkerd2Proxy(
  _world: World,
  _mesh: Mesh,
  _hop: Hop,
  _program: string,
): Promise<Running> {
  throw new Error("not yet");
}
