// Tap events as lines of text and as JSON, the way Linkerd prints them.

import type { Headers } from "../../proto/gen/viz/viz_pb.js";
import type { TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapEvent_ProxyDirection as Direction } from "../../proto/gen/viz/viz_tap_pb.js";
import { millis, printMethod, printScheme } from "../viz/calls.ts";
import { kindOf } from "../viz/kinds.ts";
import { printIp } from "../viz/tap.ts";
import type { Labels } from "../viz/text.ts";

type Address = TapEvent["source"];

/** `req id=… proxy=out src=… dst=… tls=true :method=GET …`; `wideKind` adds the resources at both ends. */
export function printTapEvent(event: TapEvent, wideKind?: string): string {
  const http = event.event.value?.event;
  if (!http?.value) return "";
  const { id } = http.value;
  const isInbound = event.proxyDirection === Direction.INBOUND;
  const direction = isInbound ? "in " : event.proxyDirection === Direction.OUTBOUND ? "out" : "";
  const tls = (isInbound ? event.sourceMeta : event.destinationMeta)?.labels["tls"] ?? "";
  const flow =
    `id=${id?.base ?? 0}:${id?.stream ?? 0} proxy=${direction} ` +
    `src=${endpoint(event.source)} dst=${endpoint(event.destination)} tls=${tls}`;
  const wide = wideKind === undefined ? "" : wideLabels(event, wideKind);
  switch (http.case) {
    case "requestInit":
      return `req ${flow} :method=${printMethod(http.value.method)} :authority=${http.value.authority} :path=${http.value.path}${wide}`;
    case "responseInit":
      return `rsp ${flow} :status=${http.value.httpStatus} latency=${micros(http.value.sinceRequestInit)}µs${wide}`;
    case "responseEnd": {
      const end = printEos(http.value.eos);
      return `end ${flow}${end && ` ${end}`} duration=${micros(http.value.sinceResponseInit)}µs response-length=${http.value.responseBytes}B${wide}`;
    }
  }
}

function endpoint(address: Address): string {
  const ip = printIp(address);
  return `${ip.includes(":") ? `[${ip}]` : ip}:${address?.port ?? 0}`;
}

function micros(duration: Parameters<typeof millis>[0]): number {
  return Math.floor(millis(duration) * 1000);
}

const GRPC_CODES =
  "OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss Unauthenticated".split(
    " ",
  );

type Eos = Extract<
  NonNullable<TapEvent["event"]["value"]>["event"],
  { case: "responseEnd" }
>["value"]["eos"];

function printEos(eos: Eos): string {
  switch (eos?.end.case) {
    case "grpcStatusCode":
      return `grpc-status=${GRPC_CODES[eos.end.value] ?? `Code(${eos.end.value})`}`;
    case "resetErrorCode":
      return `reset-error=${eos.end.value}`;
    default:
      return "";
  }
}

function wideLabels(event: TapEvent, kindName: string): string {
  const kind = kindOf(kindName);
  const side = (name: string, labels: Labels = {}): string => {
    const resource = kind && labels[kind.label];
    const its = resource ? ` ${name}_res=${kind.short}/${resource}` : "";
    return labels["namespace"] ? `${its} ${name}_ns=${labels["namespace"]}` : its;
  };
  const route = Object.entries(event.routeMeta?.labels ?? {}).map(([k, v]) => ` rt_${k}=${v}`);
  return (
    side("src", event.sourceMeta?.labels) +
    side("dst", event.destinationMeta?.labels) +
    route.join("")
  );
}

/** The event as the JSON object that scripts know. */
export function tapEventJson(event: TapEvent) {
  const http = event.event.value?.event;
  return {
    source: endJson(event.source, event.sourceMeta?.labels),
    destination: endJson(event.destination, event.destinationMeta?.labels),
    routeMeta: orNull(event.routeMeta?.labels),
    proxyDirection: Direction[event.proxyDirection],
    ...(http?.value && partJson(http)),
  };
}

function partJson(http: NonNullable<TapEvent["event"]["value"]>["event"]) {
  if (!http.value) return {};
  const id = { base: http.value.id?.base ?? 0, stream: Number(http.value.id?.stream ?? 0n) };
  switch (http.case) {
    case "requestInit": {
      const { method, scheme, authority, path, headers } = http.value;
      const names = { method: printMethod(method), scheme: printScheme(scheme) };
      return { requestInitEvent: { id, ...names, authority, path, headers: headersJson(headers) } };
    }
    case "responseInit": {
      const { sinceRequestInit, httpStatus, headers } = http.value;
      const since = durationJson(sinceRequestInit);
      return {
        responseInitEvent: {
          id,
          sinceRequestInit: since,
          httpStatus,
          headers: headersJson(headers),
        },
      };
    }
    case "responseEnd": {
      const { sinceRequestInit, sinceResponseInit, responseBytes, trailers, eos } = http.value;
      return {
        responseEndEvent: {
          id,
          sinceRequestInit: durationJson(sinceRequestInit),
          sinceResponseInit: durationJson(sinceResponseInit),
          responseBytes: Number(responseBytes),
          trailers: headersJson(trailers),
          ...(eos?.end.case && { [eos.end.case]: eos.end.value }),
        },
      };
    }
    default:
      return {};
  }
}

function endJson(address: Address, labels: Labels | undefined) {
  return { ip: printIp(address), port: address?.port ?? 0, metadata: orNull(labels) };
}

function orNull(labels: Labels | undefined): Labels | null {
  return labels && Object.keys(labels).length > 0 ? labels : null;
}

function durationJson(duration: { seconds: bigint; nanos: number } | undefined) {
  if (!duration) return null;
  const { seconds, nanos } = duration;
  return { ...(seconds !== 0n && { seconds: Number(seconds) }), ...(nanos !== 0 && { nanos }) };
}

function headersJson(headers: Headers | undefined) {
  return (
    headers?.headers.map(({ name, value }) =>
      value.case === "valueBin"
        ? { name, valueBin: Buffer.from(value.value).toString("base64") }
        : { name, valueStr: value.value ?? "" },
    ) ?? null
  );
}
