// What a ServiceProfile says: routes by method and path, what counts as a failure, retries, and where else to
// send. Strict, like all kinds of Linkerd's own.

import { metadata } from "./coreshapes.ts";
import { parseGoDuration, parseQuantity } from "./quantity.ts";
import type { Shape } from "./shape.ts";
import {
  bool,
  integer,
  lazy,
  list,
  lists,
  matching,
  name,
  object,
  optional,
  or,
  strict,
  text,
  where,
} from "./shape.ts";

/** A duration as Go prints it: 1h30m, 250ms. */
export const duration = matching<string>(
  'a duration such as "500ms", "10s" or "1m30s"',
  (value) => parseGoDuration(value) !== undefined,
);

export type RequestMatch = {
  readonly pathRegex?: string;
  readonly method?: string;
  readonly all?: readonly RequestMatch[];
  readonly any?: readonly RequestMatch[];
  readonly not?: RequestMatch;
};

const regex = matching<string>("a regular expression", isRegex);

const requestMatch: Shape<RequestMatch> = lazy("a request condition", () =>
  where(
    strict({
      pathRegex: optional(regex),
      method: optional(name),
      all: optional(list(requestMatch, 1)),
      any: optional(list(requestMatch, 1)),
      not: optional(requestMatch),
    }),
    oneKeyAtLeast,
  ),
);

export type ResponseMatch = {
  readonly status?: { readonly min?: number; readonly max?: number };
  readonly all?: readonly ResponseMatch[];
  readonly any?: readonly ResponseMatch[];
  readonly not?: ResponseMatch;
};

const status = integer(100, 599);

const responseMatch: Shape<ResponseMatch> = lazy("a response condition", () =>
  where(
    strict({
      status: optional(strict({ min: optional(status), max: optional(status) })),
      all: optional(list(responseMatch, 1)),
      any: optional(list(responseMatch, 1)),
      not: optional(responseMatch),
    }),
    oneKeyAtLeast,
  ),
);

export const serviceProfile = object({
  metadata,
  spec: strict({
    routes: lists(
      strict({
        name,
        condition: requestMatch,
        responseClasses: lists(
          strict({ condition: responseMatch, isFailure: or(bool, () => false) }),
        ),
        isRetryable: or(bool, () => false),
        timeout: optional(duration),
      }),
    ),
    retryBudget: optional(
      strict({
        retryRatio: matching<number>("a number of at least 0", (n) => n >= 0, "number"),
        minRetriesPerSecond: integer(),
        ttl: duration,
      }),
    ),
    dstOverrides: lists(strict({ authority: name, weight: quantity() })),
    opaquePorts: lists(text),
  }),
});

/** SMI's way to say what `dstOverrides` of a ServiceProfile say. */
export const trafficSplit = object({
  metadata,
  spec: object({
    service: name,
    backends: lists(object({ service: name, weight: quantity() })),
  }),
});

function quantity(): Shape<string | number> {
  const wanted = 'a weight such as 1 or "500m"';
  return {
    wanted,
    read(value, path, mistakes) {
      if (parseQuantity(value) === undefined)
        mistakes.push({ path, value, wanted, unknown: false });
      return value as string | number;
    },
  };
}

function oneKeyAtLeast(value: object): string | undefined {
  return Object.keys(value).length === 0 ? "at least one condition" : undefined;
}

function isRegex(value: string): boolean {
  try {
    void new RegExp(value);
    return true;
  } catch {
    return false;
  }
}
