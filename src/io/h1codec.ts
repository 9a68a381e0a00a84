// What reads the requests and prints the answers of an HTTP/1 connection, handed on from one that has ended to one that
// begins: it remembers the lines that it has met, so that the first head of a connection costs no more than a later one,
// and short connections leave less garbage.

import { RequestParser } from "../wire/http1.ts";
import { Http1Printer } from "../wire/http1print.ts";
import type { Http1Limits } from "../wire/limits.ts";

export type H1Codec = { readonly parser: RequestParser; readonly printer: Http1Printer };

const MAX_SPARES = 32;
const spares: H1Codec[] = [];

/** One for a connection with these limits. */
export function takeCodec(limits: Http1Limits): H1Codec {
  const spare = spares.pop();
  if (spare?.parser.fields.limits === limits) return spare;
  return { parser: new RequestParser(limits), printer: new Http1Printer() };
}

/** Hands it on; to be called once, by who does not use it any more. */
export function giveCodec(codec: H1Codec): void {
  if (spares.length < MAX_SPARES) spares.push(codec);
}
