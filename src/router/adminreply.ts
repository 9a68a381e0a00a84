// Answers of admin pages.

import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";
import type { Headers } from "../wire/headers.ts";

/** An answer of a content type. */
export function reply(
  status: number,
  type: string,
  body: string | Buffer,
  more: Headers = [],
): HttpRsp {
  const headers = ["content-type", type, "cache-control", "no-store", ...more];
  return new HttpRsp(status, headers, Body.of(body));
}

export function text(status: number, words: string): HttpRsp {
  return reply(status, "text/plain;charset=UTF-8", words);
}

export function json(value: unknown, status = 200, pretty = false): HttpRsp {
  return reply(
    status,
    "application/json",
    `${JSON.stringify(value, undefined, pretty ? 2 : undefined)}\n`,
  );
}
