// Fields that are meant for one connection only (RFC 9110 §7.6.1): a proxy takes them out before it forwards.

import { hasToken, type Headers, sameName } from "./headers.ts";

const MAX_NAME = 17;
// By the length of the name, since most fields are told apart by that alone.
const HOP_BY_HOP: (string[] | undefined)[] = new Array(MAX_NAME + 1).fill(undefined);
for (const name of [
  "te",
  "upgrade",
  "connection",
  "keep-alive",
  "http2-settings",
  "proxy-connection",
  "transfer-encoding",
]) {
  (HOP_BY_HOP[name.length] ??= []).push(name);
}

// Connection may not take these along: they are the message's, and whoever names them wants to hide them.
const NEVER_NOMINATED = new Set(["host", "content-length", "content-type", "te"]);

/** Removes the fields of the connection, and those that Connection nominates, in place. Keeps `TE: trailers`, and
 * Upgrade when `tunnelling`. Costs one look at each name when there is nothing to remove. */
export function stripHopByHop(headers: Headers, tunnelling = false): void {
  let nominated: string[] | undefined;
  let kept = headers.length;
  for (let i = 0; i < headers.length; i += 2) {
    const names = HOP_BY_HOP[headers[i]!.length];
    if (names === undefined || !includes(names, headers[i]!)) continue;
    kept = Math.min(kept, i);
    if (sameName(headers[i]!, "connection")) (nominated ??= []).push(...options(headers[i + 1]!));
  }
  if (kept === headers.length) return;
  // Nominated fields may stand before the Connection that names them.
  if (nominated !== undefined && nominated.length > 0) kept = 0;
  for (let i = kept; i < headers.length; i += 2) {
    const name = headers[i]!;
    const names = HOP_BY_HOP[name.length];
    let value = headers[i + 1]!;
    if (names !== undefined && includes(names, name)) {
      if (sameName(name, "te") && hasToken(value, "trailers")) value = "trailers";
      else if (!tunnelling || !sameName(name, "upgrade")) continue;
    } else if (nominated?.includes(name.toLowerCase())) {
      continue;
    }
    headers[kept++] = name;
    headers[kept++] = value;
  }
  headers.length = kept;
}

function includes(names: string[], name: string): boolean {
  for (const lower of names) if (sameName(name, lower)) return true;
  return false;
}

// The fields that a Connection value nominates, beside those that go in any case.
function options(value: string): string[] {
  if (value === "close" || value === "keep-alive") return [];
  return value
    .split(",")
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option !== "" && !NEVER_NOMINATED.has(option) && option !== "upgrade");
}
