// Hints: what somebody who wrote an unknown word probably meant, and where a key that stands in the wrong place belongs.
// Letters that scanners and slides confuse (1 and l, 0 and o) count as the same.

/** A setting and where it stands; `parent` is its table's place with empty brackets (`routers[].client`). */
export type Place = {
  readonly parent: string;
  readonly key: string;
  /** The kind that has it, when only one has. */
  readonly kind?: string;
};

/**
 * The candidate that looks most like a word, if any does; else one of which it is the beginning or the end (`fs` of
 * `io.l5d.fs`, `cert` of `certPath`). Costs its length times that of all candidates.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let cut: string | undefined;
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = edits(blur(word), blur(candidate));
    if (word.length > 1 && (candidate.startsWith(word) || candidate.endsWith(`.${word}`))) {
      cut ??= candidate;
    }
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best ?? cut;
}

/** The places nearest to `path` (a place with indices) of those that know `key`, when they are near at all. */
export function nearestPlaces<P extends Place>(
  path: string,
  key: string,
  places: readonly P[],
): readonly P[] {
  const here = template(path);
  let best: P[] = [];
  let bestSteps = maxSteps;
  for (const place of places) {
    if (place.key !== key || place.parent === here) continue;
    const count = steps(here, place.parent);
    if (count < bestSteps) [best, bestSteps] = [[place], count];
    else if (count === bestSteps) best.push(place);
  }
  return best;
}

/** A place's parent with the indices of `path` where both go the same way, and `[n]` (or a lone item's `[0]`) elsewhere. */
export function placeName(place: Place, path: string, raw: unknown): string {
  const here = parts(path);
  const same = common(parts(template(path)), parts(place.parent));
  let value: unknown = raw;
  const named = parts(place.parent).map((part, i) => {
    const key = part.replace("[]", "");
    const inside: unknown = key === "" ? value : (value as Record<string, unknown> | null)?.[key];
    if (!part.endsWith("[]")) {
      value = inside;
      return part;
    }
    const written = i < same ? /\[(\d+)\]$/.exec(here[i]!)?.[1] : undefined;
    const lone = Array.isArray(inside) && inside.length === 1 ? "0" : undefined;
    const index = written ?? lone;
    value = Array.isArray(inside) ? (inside as unknown[])[Number(index ?? 0)] : undefined;
    return `${key}[${index ?? "n"}]`;
  });
  const kind = place.kind === undefined ? "" : ` (kind ${place.kind})`;
  return (named.join(".") || "the top level") + kind;
}

/** A place without its indices: `routers[3].client` is `routers[].client`. */
export function template(path: string): string {
  return path.replace(/\[\d+\]/g, "[]");
}

// What is farther away is a coincidence of names.
const maxSteps = 3;

function parts(path: string): string[] {
  return path === "" ? [] : path.split(".");
}

function common(a: readonly string[], b: readonly string[]): number {
  const differs = a.findIndex((part, i) => part !== b[i]);
  return differs < 0 ? a.length : differs;
}

// Going down counts less than going up first: a key that slipped out of its table is the commonest mistake.
function steps(from: string, to: string): number {
  const [a, b] = [parts(from), parts(to)];
  const same = common(a, b);
  return (a.length - same) * 1.5 + (b.length - same);
}

function blur(word: string): string {
  return word.toLowerCase().replace(/1/g, "l").replace(/0/g, "o");
}

// Levenshtein's distance, two neighbours exchanged counting as one edit.
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        row[j - 1]! + 1,
        last[j]! + 1,
        last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        swap ? before[j - 2]! + 1 : Infinity,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
