// Whole calls, put together from the three tap events of each: `top` and the dashboard count these.

import type { Duration } from "@bufbuild/protobuf/wkt";
import type { TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapEvent_ProxyDirection as Direction } from "../../proto/gen/viz/viz_tap_pb.js";
import { HttpMethod_Registered, Scheme_Registered } from "../../proto/gen/viz/viz_pb.js";
import type { HttpMethod, Scheme } from "../../proto/gen/viz/viz_pb.js";
import { KINDS } from "./kinds.ts";
import type { LiveCall } from "./live.ts";
import { printIp } from "./tap.ts";
import type { Labels } from "./text.ts";

export type TapCall = Omit<LiveCall, "at"> & {
  readonly sourceLabels: Labels;
  readonly destinationLabels: Labels;
  readonly routeLabels: Labels;
};

type Part = { init: TapEvent; status: number };

// Requests whose end never came: streams of proxies that went away.
const MOST_PENDING = 10_000;

/** Takes events in any order of requests; returns a call when its last event has come. */
export class Calls {
  readonly #pending = new Map<string, Part>();

  add(event: TapEvent): TapCall | undefined {
    const http = event.event.value?.event;
    if (!http?.value) return undefined;
    const { id } = http.value;
    const key = `${event.proxyDirection} ${id?.base}:${id?.stream}`;
    if (http.case === "requestInit") {
      this.#pending.set(key, { init: event, status: 0 });
      if (this.#pending.size > MOST_PENDING)
        this.#pending.delete(this.#pending.keys().next().value!);
      return undefined;
    }
    const part = this.#pending.get(key);
    if (!part) return undefined;
    if (http.case === "responseInit") {
      part.status = http.value.httpStatus;
      return undefined;
    }
    this.#pending.delete(key);
    return call(part, http.value);
  }
}

type ResponseEnd = Extract<
  NonNullable<TapEvent["event"]["value"]>["event"],
  { case: "responseEnd" }
>["value"];

function call({ init, status }: Part, end: ResponseEnd): TapCall {
  const request = init.event.value!.event.value as Extract<
    NonNullable<TapEvent["event"]["value"]>["event"],
    { case: "requestInit" }
  >["value"];
  const { case: how, value: code } = end.eos?.end ?? {};
  const grpcStatus = how === "grpcStatusCode" ? code : undefined;
  const sourceLabels = init.sourceMeta?.labels ?? {};
  const destinationLabels = init.destinationMeta?.labels ?? {};
  const isInbound = init.proxyDirection === Direction.INBOUND;
  return {
    direction: isInbound ? "inbound" : "outbound",
    source: endName(sourceLabels, init.source),
    destination: endName(destinationLabels, init.destination),
    sourceLabels,
    destinationLabels,
    routeLabels: init.routeMeta?.labels ?? {},
    method: printMethod(request.method),
    authority: request.authority,
    path: request.path,
    tls: (isInbound ? sourceLabels : destinationLabels)["tls"] === "true",
    status,
    grpcStatus,
    ok: status > 0 && status < 500 && how !== "resetErrorCode" && (grpcStatus ?? 0) === 0,
    latencyMs: millis(end.sinceRequestInit),
  };
}

// The pod's owner is what people know it by; a pod's name says too much.
const NAMED_BY = [
  ...KINDS.filter((k) => k.role === "workload" && k.name !== "pod"),
  ...KINDS.filter((k) => k.name === "pod" || k.name === "service"),
];

function endName(labels: Labels, address: TapEvent["source"]): string {
  for (const { label, short } of NAMED_BY) {
    if (labels[label]) return `${short}/${labels[label]}`;
  }
  return printIp(address);
}

export function printMethod(method: HttpMethod | undefined): string {
  const type = method?.type;
  return type?.case === "registered" ? HttpMethod_Registered[type.value] : (type?.value ?? "");
}

export function printScheme(scheme: Scheme | undefined): string {
  const type = scheme?.type;
  return type?.case === "registered" ? Scheme_Registered[type.value] : (type?.value ?? "");
}

/** A protobuf duration in milliseconds, fractions kept. */
export function millis(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}
