// The verb `linkerd viz tap`: requests as they pass.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import type {
  TapByResourceRequest_MatchSchema,
  TapByResourceRequestSchema,
} from "../../proto/gen/viz/viz_tap_pb.js";
import { command } from "./command.ts";
import { printJson } from "./format.ts";
import { count, optional, text } from "./flag.ts";
import type { Values } from "./flag.ts";
import { jsonpath } from "./jsonpath.ts";
import { findMesh } from "./mesh.ts";
import { printTapEvent, tapEventJson } from "./tapevents.ts";
import {
  namespace,
  namespaceOf,
  oneResource,
  partner,
  partners,
  resourceIn,
  selector,
} from "./vizflags.ts";

/** What `tap` and `top` let the user choose from. */
export const TAP_FLAGS = {
  namespace,
  selector,
  ...partners,
  maxRps: count("N", 100, "Most requests a second to look at"),
  scheme: optional("SCHEME", "Only requests with this scheme"),
  method: optional("METHOD", "Only requests with this method"),
  authority: optional("HOST", "Only requests with this :authority"),
  path: optional("PREFIX", "Only requests whose path begins so"),
};

export const tap = command({
  name: "tap",
  summary: "Show requests as they pass",
  usage: "RESOURCE",
  examples: [
    ["Requests of a deployment, in and out", "viz tap deploy/web -n test"],
    ["What it posts to another", "viz tap deploy/web -n test --to deploy/emoji --method POST"],
    ["A whole namespace, with both ends named", "viz tap ns/test -o wide"],
    [
      "Only who asked for what",
      "viz tap deploy/web -o jsonpath='{.source.ip} {.requestInitEvent.path}{\"\\n\"}'",
    ],
  ],
  args: [1, 2],
  offers: "resource",
  flags: {
    ...TAP_FLAGS,
    output: text("FORMAT", "", 'Format of the output: "wide", "json" or "jsonpath=…"', {
      short: "o",
    }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const print = printer(flags.output, oneResource(args, "tap").kind);
    const mesh = await findMesh(globals, terminal.env);
    const request = tapRequest(
      args,
      flags,
      namespaceOf(flags, mesh),
      flags.output.startsWith("json"),
    );
    await mesh.tap(request, (event) => terminal.print(print(event)), terminal.scope);
  },
});

type Event = Parameters<typeof printTapEvent>[0];

function printer(format: string, kind: string): (event: Event) => string {
  if (format === "") return (event) => `${printTapEvent(event)}\n`;
  if (format === "wide")
    return (event) => `${printTapEvent(event, kind === "namespace" ? "pod" : kind)}\n`;
  if (format === "json") return (event) => printJson(tapEventJson(event));
  if (format.startsWith("jsonpath=")) {
    const print = jsonpath(format.slice("jsonpath=".length));
    return (event) => print(tapEventJson(event));
  }
  throw new Fault("bad-input", `--output: "${format}" is not one of wide, json, jsonpath=…`);
}

type MatchInit = MessageInitShape<typeof TapByResourceRequest_MatchSchema>;

/** The request for what the words and flags of `tap` and `top` select. */
export function tapRequest(
  args: readonly string[],
  flags: Values<typeof TAP_FLAGS>,
  ns: string,
  headers: boolean,
): MessageInitShape<typeof TapByResourceRequestSchema> {
  const resource = oneResource(args, "tap");
  // Who taps a namespace means what is in it.
  const home = resource.kind === "namespace" ? resource.name : ns;
  const to = partner(flags.to, flags.toNamespace, home);
  const matches: MatchInit[] = (["scheme", "method", "authority", "path"] as const).flatMap(
    (part) => {
      const value = flags[part];
      return value === undefined
        ? []
        : [{ match: { case: "http", value: { match: { case: part, value } } } }];
    },
  );
  if (to) matches.push({ match: { case: "destinations", value: { resource: to } } });
  return {
    target: { resource: resourceIn(ns, resource), labelSelector: flags.selector ?? "" },
    maxRps: flags.maxRps,
    match: { match: { case: "all", value: { matches } } },
    ...(headers && {
      extract: {
        extract: { case: "http", value: { extract: { case: "headers", value: {} } } },
      },
    }),
  };
}
