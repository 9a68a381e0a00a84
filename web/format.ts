// Numbers for people: few digits, fixed places, an en dash for nothing.

export const NONE = "–";

export function percent(share: number | null): string {
  if (share === null) return NONE;
  // 99.996 % is not 100 %.
  return share === 1
    ? "100 %"
    : `${(Math.floor(share * 10_000) / 100).toFixed(share < 0.1 ? 1 : 2)} %`;
}

export function rate(rps: number | null): string {
  if (rps === null) return NONE;
  if (rps >= 10_000) return `${(rps / 1000).toFixed(1)}k`;
  return rps >= 100 ? rps.toFixed(0) : rps.toFixed(1);
}

export function millis(ms: number | null): string {
  if (ms === null) return NONE;
  return ms >= 10_000 ? `${(ms / 1000).toFixed(0)} s` : ms < 1 ? "<1 ms" : `${Math.round(ms)} ms`;
}

/** How good a success share is, as the word that styles it. */
export function health(share: number | null): "good" | "fair" | "bad" | "idle" {
  if (share === null) return "idle";
  return share >= 0.99 ? "good" : share >= 0.95 ? "fair" : "bad";
}

/** Whether some pods of a workload have a proxy and others do not, as before a restart. */
export function isPartly({ meshed, total }: { meshed: number; total: number }): boolean {
  return meshed > 0 && meshed < total;
}

const SHORT: Readonly<Record<string, string>> = {
  deployment: "deploy",
  statefulset: "sts",
  daemonset: "ds",
  replicaset: "rs",
  service: "svc",
  cronjob: "cj",
};

export function shortKind(kind: string): string {
  return SHORT[kind] ?? kind;
}
