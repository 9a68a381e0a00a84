// The tap API as Kubernetes' API server would forward it: POST /apis/tap.linkerd.io/v1alpha1/watch/namespaces/…/tap
// with a protobuf request, answered by events, each after its length (32 bits, little-endian).

import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ApiErrorSchema } from "../../proto/gen/viz/viz_pb.js";
import type { TapByResourceRequest } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapByResourceRequestSchema, TapEventSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { Close } from "../base/watch.ts";
import { BUILD } from "../control/build.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";
import { streamed } from "./events.ts";
import { json, text } from "./files.ts";
import { kindOf } from "./kinds.ts";
import type { TapSink } from "./tap.ts";
import type { Named } from "./world.ts";

const TAP_GROUP = "/apis/tap.linkerd.io/v1alpha1";
const MOST_BYTES = 1 << 20;
const BINARY = ["content-type", "application/octet-stream"];

/** Where a request is posted. */
export function tapPath(namespace: string, kind: string, name: string): string {
  if (kind === "namespace") return `${TAP_GROUP}/watch/namespaces/${name}/tap`;
  const plural = kindOf(kind)?.plural ?? kind;
  return `${TAP_GROUP}/watch/namespaces/${namespace}/${plural}/${name}/tap`;
}

/** Taps what a request selects, until closed. */
export type StartTap = (request: TapByResourceRequest, sink: TapSink) => Close;

/** Rejects unless whoever sent a request may tap a resource. */
export type MayTap = (req: HttpReq, of: Named) => Promise<void>;

/** Serves the tap API; `tap` does the work for those who may. */
export function tapApi(tap: StartTap, may: MayTap): HttpService {
  return async (req) => {
    const path = req.path.split("?")[0]!;
    if (req.method === "GET") return discovery(path);
    try {
      const tooLarge = (): Fault =>
        new Fault("body-too-large", "the tap request is larger than 1 MB");
      const request = fromBinary(
        TapByResourceRequestSchema,
        await req.body.read(MOST_BYTES, tooLarge),
      );
      const { namespace = "", type = "", name = "" } = request.target?.resource ?? {};
      const kind = kindOf(type)?.name ?? type;
      if (path !== tapPath(namespace, kind, name)) {
        throw new Fault(
          "bad-input",
          `the request is for ${type}/${name} in ${namespace}, its path ${path} is not`,
        );
      }
      await may(req, { kind, namespace, name });
      return streamed(BINARY, (push) =>
        tap(request, {
          event: (event) => push(frame(toBinary(TapEventSchema, event))),
          trouble: () => {},
        }),
      );
    } catch (error) {
      const fault = Fault.from(error);
      const bytes = frame(
        toBinary(ApiErrorSchema, { $typeName: "linkerd2.viz.ApiError", error: fault.message }),
      );
      const headers = [
        ...BINARY,
        "linkerd-error",
        printable(fault.message),
        "content-length",
        String(bytes.length),
      ];
      return new HttpRsp(REFUSALS[fault.code] ?? fault.meaning.http, headers, Body.of(bytes));
    }
  };
}

/** What the asker has to change. */
const REFUSALS: Readonly<Partial<Record<FaultCode, number>>> = {
  "bad-input": 400,
  unauthenticated: 401,
  "no-permission": 403,
};

function printable(words: string): string {
  return words.replace(/[^\x20-\x7e]/g, "?");
}

/** A message after its length. */
function frame(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + message.length);
  bytes.writeUInt32LE(message.length);
  bytes.set(message, 4);
  return bytes;
}

/** Takes a stream of frames apart, however it is cut. */
export class Unframer {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are complete with `chunk`. */
  push(chunk: Buffer): Buffer[] {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const end = this.#rest.length < 4 ? Infinity : 4 + this.#rest.readUInt32LE();
      if (this.#rest.length < end) return messages;
      messages.push(this.#rest.subarray(4, end));
      this.#rest = this.#rest.subarray(end);
    }
  }
}

// What an API server asks of an extension before it lists or forwards to it.
function discovery(path: string): HttpRsp {
  if (path === "/healthz" || path === "/healthz/ping") return text(200, "ok");
  const version = { groupVersion: "tap.linkerd.io/v1alpha1", version: "v1alpha1" };
  const group = { name: "tap.linkerd.io", versions: [version], preferredVersion: version };
  switch (path) {
    case "/version":
      return json({ major: "1", minor: "0", gitVersion: BUILD });
    case "/openapi/v2":
      return json({
        swagger: "2.0",
        info: { title: version.groupVersion, version: BUILD },
        paths: {},
      });
    case "/apis":
      return json({ kind: "APIGroupList", apiVersion: "v1", groups: [group] });
    case "/apis/tap.linkerd.io":
      return json({ kind: "APIGroup", apiVersion: "v1", ...group });
    case TAP_GROUP:
      return json({
        kind: "APIResourceList",
        apiVersion: "v1",
        groupVersion: version.groupVersion,
        resources: RESOURCES,
      });
    default:
      return json({ error: `there is no ${path}` }, 404);
  }
}

const RESOURCES = [
  "namespaces",
  "pods",
  "replicationcontrollers",
  "services",
  "daemonsets",
  "deployments",
  "replicasets",
  "statefulsets",
  "jobs",
  "cronjobs",
].map((name) => ({
  name: `${name}/tap`,
  singularName: "",
  namespaced: name !== "namespaces",
  kind: "Tap",
  verbs: ["watch"],
}));
