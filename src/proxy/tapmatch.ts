// What a tap wants to see: the match of an ObserveRequest as one test of an exchange, compiled once.

import { BlockList } from "node:net";
import type { ObserveRequest_Match as Match } from "../../proto/gen/tap_pb.js";
import type { SocketAddr } from "../io/conn.ts";
import { ipFamily } from "../io/ip.ts";
import type { Exchange } from "../stack/exchange.ts";
import type { TapMeta } from "../stack/tap.ts";
import { parseMethod, parsePrefix, parseScheme } from "./fromproto.ts";

export type TapTest = (x: Exchange, meta: TapMeta) => boolean;

const ANY: TapTest = () => true;

/** The test that `match` stands for; without a match, everything passes. */
export function compileTap(match: Match | undefined): TapTest {
  const part = match?.match;
  switch (part?.case) {
    case undefined:
      return ANY;
    case "all":
    case "any": {
      const tests = part.value.matches.map(compileTap);
      return part.case === "all"
        ? (x, meta) => tests.every((test) => test(x, meta))
        : (x, meta) => tests.some((test) => test(x, meta));
    }
    case "not": {
      const test = compileTap(part.value);
      return (x, meta) => !test(x, meta);
    }
    case "source": {
      const test = compileAddress(part.value.match);
      return (x) => test(x.req.peer.remote);
    }
    case "destination": {
      const test = compileAddress(part.value.match);
      return (_, meta) => test(meta.destination);
    }
    case "destinationLabel": {
      const { key, value } = part.value;
      return (_, meta) => meta.labels[key] === value;
    }
    case "routeLabel": {
      const { key, value } = part.value;
      return (x) => routeLabelsOf(x)[key] === value;
    }
    case "http":
      return compileHttp(part.value.match);
  }
}

/** The labels of the route that an exchange took. */
export function routeLabelsOf({ req }: Exchange): Readonly<Record<string, string>> {
  return (req.route as { labels?: Record<string, string> } | undefined)?.labels ?? {};
}

type Of<C extends NonNullable<Match["match"]["case"]>> = Extract<
  Match["match"],
  { case: C }
>["value"];

function compileAddress(match: Of<"source">["match"]): (addr: SocketAddr) => boolean {
  if (match.case === "ports") {
    const { min, max } = match.value;
    return ({ port }) => port >= min && port <= max;
  }
  if (match.case === undefined) return () => true;
  const { ip, prefix } = parsePrefix(match.value.ip, match.value.mask, "netmask");
  const list = new BlockList();
  list.addSubnet(ip, prefix, ipFamily(ip));
  return (addr) => list.check(addr.ip, ipFamily(addr.ip));
}

function compileHttp(match: Of<"http">["match"]): TapTest {
  switch (match.case) {
    case undefined:
      return ANY;
    case "method": {
      const method = parseMethod(match.value);
      return ({ req }) => req.method === method;
    }
    case "scheme": {
      const scheme = parseScheme(match.value);
      return ({ req }) => (req.scheme || "http") === scheme;
    }
    case "authority":
    case "path": {
      const { case: field, value: wanted } = match;
      const { value = "", case: kind } = wanted.match;
      return kind === "prefix"
        ? ({ req }) => req[field].startsWith(value)
        : ({ req }) => req[field] === value;
    }
  }
}
