// Path matchers: the patterns of `configs[].prefix` and of rewrites (`/#/*/{service}-{version}.x`).
// They compare leading segments; `*` is any one segment, `{name}` captures one or, greedily, a part of one.

import { parsePath, type Path, printSegment } from "./path.ts";

/** Segments by the names under which a pattern captured them. */
export type Captures = Readonly<Record<string, string>>;

/** A compiled pattern. */
export interface PathMatcher {
  readonly pattern: string;
  /** How many segments the pattern has. */
  readonly length: number;
  /** The captures when the path begins with the pattern. */
  match(path: Path): Captures | undefined;
}

const capture = /\{([A-Za-z0-9.:_-]+)\}/g;

/** Compiles a pattern; `/` matches every path. */
export function pathMatcher(pattern: string): PathMatcher {
  const segments = pattern.split("/").filter((segment) => segment !== "");
  const tests = segments.map(segmentTest);
  return {
    pattern,
    length: segments.length,
    match(path) {
      const captures: Record<string, string> = {};
      const matches = tests.every(
        (test, i) => path[i] !== undefined && test(printSegment(path[i]), captures),
      );
      return matches ? captures : undefined;
    },
  };
}

/** Puts captures in the place of their `{name}`s; unknown names stay. */
export function substitute(template: string, captures: Captures): string {
  return template.replace(capture, (whole, name: string) => captures[name] ?? whole);
}

/** The path that a template makes of captures; throws a SyntaxFault when it makes none. */
export function substitutePath(template: string, captures: Captures): Path {
  return parsePath(substitute(template, captures));
}

/** The names that a pattern captures. */
export function captureNames(pattern: string): string[] {
  return [...pattern.matchAll(capture)].map((found) => found[1]!);
}

type SegmentTest = (segment: string, captures: Record<string, string>) => boolean;

function segmentTest(pattern: string): SegmentTest {
  if (pattern === "*") return () => true;
  const names = captureNames(pattern);
  if (names.length === 0) return (segment) => segment === pattern;
  const literals = pattern
    .split(/\{[A-Za-z0-9.:_-]+\}/)
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const regex = new RegExp(`^${literals.join("(.*)")}$`, "s");
  return (segment, captures) => {
    const found = regex.exec(segment);
    if (!found) return false;
    names.forEach((name, i) => (captures[name] = found[i + 1]!));
    return true;
  };
}
