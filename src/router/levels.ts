// The names that Linkerd 1 has for the levels of a log, and what they are here.

import type { Log, LogLevel } from "../base/log.ts";

/** The level of a name; the first name of a level is the one that pages show. */
export const LEVELS: Readonly<Record<string, LogLevel>> = {
  OFF: "off",
  ERROR: "error",
  WARNING: "warn",
  INFO: "info",
  DEBUG: "debug",
  TRACE: "trace",
  ALL: "trace",
  CRITICAL: "error",
  FATAL: "error",
};

/** Linkerd 1's name of the level of a logger. */
export function levelName(log: Log, logger: string): string {
  const level = log.levelOf(logger);
  return Object.keys(LEVELS).find((name) => LEVELS[name] === level)!;
}

/** Sets the level of a logger; false when there is none of this name. */
export function setLevel(log: Log, logger: string, name: string): boolean {
  const level = LEVELS[name.toUpperCase()];
  if (level === undefined) return false;
  const others = log.filter
    .split(",")
    .filter((part) => part.trim() !== "" && moduleOf(part) !== logger);
  log.filter = [...others, logger === "" ? level : `${logger}=${level}`].join(",");
  return true;
}

function moduleOf(directive: string): string {
  const at = directive.lastIndexOf("=");
  return at < 0 ? "" : directive.slice(0, at).trim();
}
