// Durations and quantities as people write them in manifests and annotations, in the three notations that
// Linkerd takes: Go's (1h30m), Linkerd's annotation form (10s, no fractions) and Kubernetes' quantities (500m).

const GO_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

const ANNOTATION_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of "1h30m", "0" or "2.5s"; undefined when it is no duration. */
export function parseGoDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, number, , unit] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    ms += Number(number) * GO_MS[unit!]!;
  }
  return ms;
}

/** Milliseconds of an annotation such as "250ms" or "1d": a whole number and one unit, or a bare 0. */
export function parseAnnotationDuration(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text.trim());
  if (!match) return text.trim() === "0" ? 0 : undefined;
  return Number(match[1]) * ANNOTATION_MS[match[2]!]!;
}

/** The number that 1, "1" or "500m" stand for; undefined when it is none or below zero. */
export function parseQuantity(value: unknown): number | undefined {
  if (typeof value === "number") return value >= 0 ? value : undefined;
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)([mk]?)$/.exec(value) : null;
  if (!match) return undefined;
  return Number(match[1]) * (match[2] === "m" ? 1e-3 : match[2] === "k" ? 1e3 : 1);
}
