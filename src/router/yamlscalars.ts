// The types of single values: numbers, words, ports, addresses, paths, dtabs, patterns, files.
// Each says what it allows in one phrase, and offers the nearest right spelling where there is one.

import { isScalar, isSeq } from "yaml";
import { ipFamily } from "../io/ip.ts";
import { SyntaxFault } from "../name/cursor.ts";
import { type Dtab, parseDtab, printDtab } from "../name/dtab.ts";
import { type PathMatcher, pathMatcher } from "../name/matcher.ts";
import { parsePath, type Path, printPath } from "../name/path.ts";
import { nearest } from "./yamlhints.ts";
import type { Reading } from "./yamlreading.ts";
import { type At, offsetIn } from "./yamlsource.ts";
import type { Type } from "./yamltypes.ts";

/** Any text; numbers and booleans count as what is written. */
export const text: Type<string> = scalar("a text", (written) => written);

/** `true` or `false`. */
export const bool: Type<boolean> = scalar("true or false", (written) =>
  written === "true" ? true : written === "false" ? false : undefined,
);

/** A whole number in a range, both ends allowed. */
export function int(min = 0, max = 2 ** 31 - 1): Type<number> {
  return scalar(`a whole number ${range(min, max, 2 ** 31 - 1)}`, (written) => {
    const value = /^-?\d{1,16}$/.test(written) ? Number(written) : NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** A number in a range, both ends allowed. */
export function number(min = 0, max = Infinity): Type<number> {
  return scalar(`a number ${range(min, max, Infinity)}`, (written) => {
    const value = /^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(written) ? Number(written) : NaN;
    return value >= min && value <= max ? value : undefined;
  });
}

/** One of some words. */
export function oneOf<const W extends string>(...words: readonly W[]): Type<W> {
  return {
    allowed: `one of ${words.join(", ")}`,
    read(at, reading) {
      const written = reading.written(at);
      const found = words.find((word) => word === written);
      if (found !== undefined) return found;
      return reading.refuse(at, this.allowed, did(nearest(written ?? "", words)));
    },
  };
}

/** A TCP port, 0 for any. */
export const port: Type<number> = {
  allowed: "a port from 0 to 65535",
  read(at, reading) {
    const written = reading.written(at) ?? "";
    if (!/^-?\d+$/.test(written)) return reading.refuse(at, this.allowed);
    const value = Number(written);
    if (value >= 0 && value <= 65535) return value;
    return reading.source.error(
      at,
      `${value} outside valid range for ports`,
      "allowed: 0 to 65535",
    );
  },
};

/** A regular expression, as a text. */
export const regex: Type<string> = scalar("a regular expression", (written) => {
  try {
    return new RegExp(written).source && written;
  } catch {
    return undefined;
  }
});

/** A numeric address; names of hosts are refused, as in Linkerd 1. */
export const ip: Type<string> = scalar(
  "a numeric IP address, such as 127.0.0.1 or 0.0.0.0",
  (written) => (ipFamily(written) ? written : undefined),
);

/** A path such as `/svc`. */
export const path: Type<Path> = {
  allowed: "a path that starts with /",
  print: printPath,
  read(at, reading) {
    const read = readSyntax(at, reading, parsePath, suggestPath);
    if (read) warnOfLostSlash(at, reading);
    return read;
  },
};

/** A dtab, as one text or as a list of texts. */
export const dtab: Type<Dtab> = {
  allowed: "a dtab, such as /svc => /#/io.l5d.fs",
  print: (value) => printDtab(value) || "empty",
  read(at, reading) {
    if (isSeq(at.node)) {
      return reading.source.items(at).flatMap((item) => this.read(item, reading) ?? []);
    }
    return readSyntax(at, reading, (written) =>
      parseDtab(written, (warning) =>
        reading.source.warn(
          at,
          warning.message,
          undefined,
          offsetIn(reading.source, at, warning.at),
        ),
      ),
    );
  },
};

/** A pattern of paths, such as `/#/io.l5d.fs/{service}`. */
export type Pattern = PathMatcher;

/** A pattern of paths, with `*` and `{captures}`. */
export const pattern: Type<Pattern> = {
  allowed: "a path that starts with /, with * and {captures} for segments",
  read(at, reading) {
    const written = readSyntax(
      at,
      reading,
      (value) => {
        parsePath(value.replace(/\{[A-Za-z0-9.:_-]+\}|\*/g, (open) => "x".repeat(open.length)));
        return value;
      },
      suggestPath,
    );
    if (written === undefined) return undefined;
    warnOfLostSlash(at, reading);
    return pathMatcher(written);
  },
};

/** A file or folder that must exist, relative to the working folder. */
export function existing(kind: "file" | "folder"): Type<string> {
  const word = kind === "file" ? "file" : "directory";
  return {
    allowed: `the path of a ${word}`,
    read(at, reading) {
      const written = reading.written(at);
      if (written === undefined) return reading.refuse(at, this.allowed);
      if (reading.entryKind(written) === kind) return written;
      return reading.source.error(at, `${written} is not a ${word}`);
    },
  };
}

/** A scalar that `parse` understands; `complaint` takes the place of the usual sentence about one that it does not. */
export function scalar<T>(
  allowed: string,
  parse: (written: string) => T | undefined,
  complaint?: (written: string) => string,
): Type<T> {
  return {
    allowed,
    read(at, reading) {
      const written = reading.written(at);
      const value = written === undefined ? undefined : parse(written);
      if (value !== undefined) return value;
      if (complaint === undefined) return reading.refuse(at, allowed);
      return reading.source.error(at, complaint(written ?? ""), `allowed: ${allowed}`);
    },
  };
}

/** The hint of a suggestion. */
export function did(suggestion: string | undefined): string | undefined {
  return suggestion === undefined ? undefined : `did you mean ${suggestion}?`;
}

function range(min: number, max: number, unbounded: number): string {
  return max === unbounded ? `from ${min}` : `from ${min} to ${max}`;
}

function readSyntax<T>(
  at: At,
  reading: Reading,
  parse: (written: string) => T,
  suggest: (written: string) => string | undefined = () => undefined,
): T | undefined {
  if (!isScalar(at.node)) return reading.refuse(at, "a text");
  const written = String(at.node.value);
  try {
    return parse(written);
  } catch (fault) {
    if (!(fault instanceof SyntaxFault)) throw fault;
    const hint = did(suggest(written)) ?? grammarHint(written, fault.at);
    const message = fault.message.replace(/\s*\n\s*/g, " ");
    return reading.source.error(at, message, hint, offsetIn(reading.source, at, fault.at));
  }
}

function grammarHint(written: string, at: number): string | undefined {
  const before = written.slice(0, at).trimEnd();
  if (/^[-=]*>/.test(written.slice(at)) || before.endsWith("="))
    return "rules are written /prefix => /path";
  if (/[^\s/]\/$/.test(before)) return "paths do not end in a slash";
  if (before !== "" && written.charAt(at) === "/") return "rules end in a semicolon";
  return undefined;
}

function warnOfLostSlash(at: At, reading: Reading): void {
  const repaired = suggestPath(reading.written(at) ?? "");
  if (repaired !== undefined) {
    reading.source.warn(at, "nothing begins so: a slash is missing", did(repaired));
  }
}

function suggestPath(written: string): string | undefined {
  const [, host, number] = /^([\w.-]+):(\d+)$/.exec(written) ?? [];
  const repaired = host === undefined ? repairPath(written) : `/$/inet/${host}/${number}`;
  return repaired === written ? undefined : repaired;
}

/** A path with the slashes that get lost in copying put back: `%/x` → `/%/x`, `/$io.x` → `/$/io.x`. */
export function repairPath(written: string): string {
  const rooted = written.startsWith("/") ? written : `/${written}`;
  return rooted.replace(/^\/([$#%])(?=io\.)/, "/$1/").replace(/(?<=.)\/+$/, "");
}
