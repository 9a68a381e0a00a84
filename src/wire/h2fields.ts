// Fields of HTTP/1 messages on their way to HTTP/2: names in lower case, without those that belong to the HTTP/1
// connection (RFC 9113 §8.2.2). What came by HTTP/2 is clean already and passes untouched.

import { type Headers, hasToken, joined } from "./headers.ts";

const DROPPED = [
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
];
const MAX_NAMES = 1024;

// Each name as HTTP/1 senders write it, to its lower-case form; "" for one that is dropped.
const names = new Map<string, string>();

/** The fields of an HTTP/1 message as HTTP/2 may carry them. `TE: trailers` is kept. */
export function toH2Fields(headers: Headers): Headers {
  const connection = joined(headers, "connection");
  const nominated =
    connection === undefined || connection === "close" || connection === "keep-alive"
      ? undefined
      : connection.split(",").map((name) => name.trim().toLowerCase());
  const fields: Headers = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = names.get(headers[i]!) ?? learn(headers[i]!);
    if (name === "" || nominated?.includes(name) === true) continue;
    fields.push(name, headers[i + 1]!);
  }
  if (hasToken(joined(headers, "te"), "trailers")) fields.push("te", "trailers");
  return fields;
}

function learn(name: string): string {
  if (names.size === MAX_NAMES) names.clear();
  const lower = name.toLowerCase();
  const kept = DROPPED.includes(lower) ? "" : lower;
  names.set(name, kept);
  return kept;
}
