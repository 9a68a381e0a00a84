// How many threads a sidecar uses, by linkerd2-proxy's variables and rule.

import type { Settings } from "./env.ts";

/**
 * The number of threads on a machine (or in a container) that has `available` processors: CORES_MAX, else
 * CORES_MAX_RATIO of them, else one; no fewer than CORES_MIN (or CORES, its old name), and no more than there are. One
 * where the kernel does not spread connections among listeners.
 */
export function coresOf(
  { cores, coresMin, coresMax, coresMaxRatio }: Settings["runtime"],
  available: number,
  platform: NodeJS.Platform = process.platform,
): number {
  if (platform !== "linux") return 1;
  const ratio = coresMaxRatio && Math.round(available * coresMaxRatio);
  const most = coresMax || ratio || 1;
  return Math.min(available, Math.max(most, coresMin || cores || 1));
}
