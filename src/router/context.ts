// The context that requests carry from hop to hop in `l5d-*` fields: read once at the server, with everything removed
// that only a proxy may say, and written anew for the next hop. A stranger's context is not even read where a server
// clears it.

import type { Random } from "../base/random.ts";
import { Body } from "../io/body.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { HttpFilter } from "../stack/types.ts";
import { traceContextOf } from "../stack/trace.ts";
import { header, type Headers, removeHeader, removeWhere, setHeader } from "../wire/headers.ts";
import {
  childOf,
  chanceOf,
  Id,
  newTrace,
  parseL5dTrace,
  printL5dTrace,
  TraceId,
} from "./traceid.ts";
import { type LocalDtab, localDtab, NO_DTAB } from "./localdtab.ts";
import { Routed } from "./routed.ts";
import type { RouterParts } from "./routerparts.ts";
import type { Propagator } from "./yamltraffic.ts";

/** What a hop reads and takes off. */
class Incoming {
  /** A dtab on each line, as below. */
  userDtab = "";
  contextDtab = "";
  trace: string | undefined = undefined;
  deadline: string | undefined = undefined;
  sample: string | undefined = undefined;
}

/** Reads the context of each request and puts a `Routed` on it. A dtab that cannot be read is the client's fault. */
export function context({ config, telemeters, random }: RouterParts, clear: boolean): HttpFilter {
  const { label: router, tracePropagator } = config;
  const propagator = tracePropagator.kind;
  const rates = telemeters.filter(({ follows }) => follows).map(({ sampleRate }) => sampleRate);
  const rate = Math.max(0, ...rates);
  return (next) =>
    function context(req) {
      const incoming = new Incoming();
      take(req.headers, incoming, clear);
      let dtab: LocalDtab;
      try {
        dtab = dtabOf(incoming);
      } catch (fault) {
        req.route = new Routed(router, NO_DTAB, newTrace(random, undefined));
        return Promise.reject(fault);
      }
      const trace = decided(traceOf(req, incoming, propagator, random), incoming.sample, rate);
      req.route = new Routed(router, dtab, trace);
      const { headers } = req;
      if (dtab.text !== "") headers.push("l5d-ctx-dtab", dtab.text);
      if (incoming.deadline !== undefined) headers.push("l5d-ctx-deadline", incoming.deadline);
      return next(req);
    };
}

/** Takes off what the mesh says in responses, for a server of strangers: they learn nothing, not even why it failed. */
export const clearResponses: HttpFilter = (next) =>
  function clearResponses(req) {
    return next(req).then(cleared);
  };

/** Writes the context for the next hop: whom this one has found, and the span of the attempt. */
export function writeContext(
  headers: Headers,
  routed: Routed,
  propagator: Propagator["kind"],
  random: Random,
): void {
  const trace = childOf(routed.trace, random);
  routed.clientTrace = trace;
  switch (propagator) {
    case "io.l5d.default":
      headers.push("l5d-ctx-trace", printL5dTrace(trace));
      headers.push("l5d-reqid", trace.trace.text);
      break;
    case "io.l5d.zipkin":
      setHeader(headers, "x-b3-traceid", trace.traceId);
      setHeader(headers, "x-b3-spanid", trace.spanId);
      setHeader(headers, "x-b3-parentspanid", trace.parentId);
      if (trace.sampled !== undefined)
        setHeader(headers, "x-b3-sampled", trace.sampled ? "1" : "0");
      break;
    case "io.l5d.w3c":
      setHeader(
        headers,
        "traceparent",
        `00-${trace.traceId.padStart(32, "0")}-${trace.spanId}-0${trace.sampled ? 1 : 0}`,
      );
  }
}

// One look at each field; what this hop consumes or writes itself goes.
function take(headers: Headers, incoming: Incoming, clear: boolean): void {
  let kept = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    const value = headers[i + 1]!;
    const first = name.charCodeAt(0) | 0x20;
    if (first === 0x6c && isOurs(name)) {
      if (clear || consume(name.slice(4).toLowerCase(), value, incoming)) continue;
    } else if (first === 0x70 && isProxyAuth(name)) {
      continue;
    }
    if (kept !== i) {
      headers[kept] = name;
      headers[kept + 1] = value;
    }
    kept += 2;
  }
  headers.length = kept;
}

function isOurs(name: string): boolean {
  return name.length > 4 && (name.startsWith("l5d-") || name.slice(0, 4).toLowerCase() === "l5d-");
}

// Meant for the proxy that the client asked.
function isProxyAuth(name: string): boolean {
  return /^proxy-auth(?:enticate|orization)$/i.test(name);
}

/** Remembers the field `l5d-<name>`; whether it is to be taken off. */
function consume(name: string, value: string, incoming: Incoming): boolean {
  switch (name) {
    case "dtab":
      incoming.userDtab += `${value}\n`;
      return true;
    case "ctx-dtab":
      incoming.contextDtab += `${value}\n`;
      return true;
    case "ctx-trace":
      incoming.trace = value;
      return true;
    case "ctx-deadline":
      incoming.deadline = joinDeadlines(incoming.deadline, value);
      return true;
    case "sample":
      incoming.sample = value;
      return true;
    case "reqid":
    case "dst-service":
    case "dst-client":
    case "dst-residual":
      return true;
    default:
      return false;
  }
}

function dtabOf({ contextDtab, userDtab }: Incoming): LocalDtab {
  const text = contextDtab + userDtab;
  return text === "" ? NO_DTAB : localDtab(text);
}

// `<timestamp ns> <deadline ns>`: of several, the latest timestamp and the earliest deadline; what is neither is ignored.
function joinDeadlines(before: string | undefined, value: string): string | undefined {
  const next = /^(\d{1,20}) (\d{1,20})$/.exec(value);
  if (next === null || before === undefined) return next === null ? before : value;
  const [at, due] = before.split(" ").map(BigInt) as [bigint, bigint];
  const [nextAt, nextDue] = [BigInt(next[1]!), BigInt(next[2]!)];
  return `${nextAt > at ? nextAt : at} ${nextDue < due ? nextDue : due}`;
}

function traceOf(
  req: HttpReq,
  incoming: Incoming,
  propagator: Propagator["kind"],
  random: Random,
): TraceId {
  if (propagator === "io.l5d.default") {
    const parent = incoming.trace === undefined ? undefined : parseL5dTrace(incoming.trace);
    return parent ?? newTrace(random, undefined);
  }
  const parent = traceContextOf(req.headers);
  const wanted = propagator === "io.l5d.w3c" ? "w3c" : "b3";
  if (parent === undefined || !parent.format.startsWith(wanted)) return newTrace(random, undefined);
  const { traceId, spanId, sampled } = parent;
  const isKnown = wanted === "w3c" || header(req.headers, "x-b3-sampled") !== undefined || sampled;
  const upper = traceId.slice(0, -16);
  return new TraceId(
    wanted === "b3" && /^0*$/.test(upper) ? "" : upper,
    Id.parse(traceId.slice(-16)),
    Id.parse(spanId),
    Id.random(random),
    isKnown ? sampled : undefined,
    false,
  );
}

// `l5d-sample` decides, then what the trace says of itself, then the highest rate of those who follow traces.
function decided(trace: TraceId, sample: string | undefined, rate: number): TraceId {
  const asked = sample === undefined || sample.trim() === "" ? NaN : Number(sample);
  if (!Number.isNaN(asked)) {
    const share = Math.max(0, Math.min(1, asked));
    return trace.as(chanceOf(trace) < share);
  }
  if (trace.sampled !== undefined || rate === 0) return trace;
  return chanceOf(trace) < rate ? trace.as(true) : trace;
}

// An error of ours loses its text as well.
function cleared(rsp: HttpRsp): HttpRsp {
  const isError = header(rsp.headers, "l5d-err") !== undefined;
  removeWhere(rsp.headers, isOurs);
  if (!isError) return rsp;
  rsp.body.discard();
  rsp.body = Body.empty;
  // What is empty is no gzip.
  removeHeader(rsp.headers, "content-encoding");
  return rsp;
}
