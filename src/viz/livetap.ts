// Live calls for the dashboard: whether it may tap something, and what it taps as server-sent events.

import { create } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { TapByResourceRequest_MatchSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapByResourceRequestSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import type { HttpRsp } from "../io/message.ts";
import { Calls, type TapCall } from "./calls.ts";
import { eventStream } from "./events.ts";
import { parseResource } from "./kinds.ts";
import type { LiveCall } from "./live.ts";
import { resourceOf } from "./messages.ts";
import type { StartTap } from "./tapapi.ts";
import { type Named, namedIn } from "./world.ts";

type LiveTapOptions = {
  readonly tap: StartTap;
  /** Rejects unless the dashboard may tap a resource. */
  readonly mayTap: (of: Named) => Promise<void>;
  readonly clock: Clock;
};

type Query = URLSearchParams;

/** Why the dashboard may not tap what `query` names; "" when it may. */
export async function tapReview(query: Query, { mayTap }: LiveTapOptions) {
  const refusal = await mayTap(targetOf(query)).then(
    () => "",
    (error: unknown) => {
      const { code, message } = Fault.from(error);
      if (code !== "no-permission") throw error;
      return message;
    },
  );
  return { refusal };
}

/** The finished calls of what `query` names, and complaints where they cannot be had. */
export function liveCalls(query: Query, { tap, mayTap, clock }: LiveTapOptions): HttpRsp {
  return eventStream((send) => {
    const calls = new Calls();
    const scope = new Scope();
    const begin = async (): Promise<void> => {
      const target = targetOf(query);
      const request = create(TapByResourceRequestSchema, {
        target: { resource: resourceOf(target) },
        maxRps: Number(query.get("maxRps") ?? 0),
        match: { match: { case: "all", value: { matches: filtersOf(query) } } },
      });
      await mayTap(target);
      if (scope.closed) return;
      const stop = tap(request, {
        event: (event) => {
          const call = calls.add(event);
          if (call) send(shown(call, clock.wall()));
        },
        trouble: (pod, fault) => send(`${pod.name}: ${fault.message}`, "complaint"),
      });
      scope.defer(stop);
    };
    // In the stream, because a browser does not tell why one did not begin.
    begin().catch((error: unknown) => send(Fault.from(error).message, "complaint"));
    return () => void scope.close();
  });
}

// Labels are many, and no page shows them.
function shown(call: TapCall, at: number): LiveCall {
  const { sourceLabels: _, destinationLabels: __, routeLabels: ___, ...rest } = call;
  return { at, ...rest };
}

function targetOf(query: Query): Named {
  return namedIn(query.get("namespace") ?? "", parseResource(query.get("resource") ?? ""));
}

type MatchInit = MessageInitShape<typeof TapByResourceRequest_MatchSchema>;

function filtersOf(query: Query): MatchInit[] {
  const matches: MatchInit[] = [];
  for (const part of ["scheme", "method", "authority", "path"] as const) {
    const value = query.get(part);
    if (value) matches.push({ match: { case: "http", value: { match: { case: part, value } } } });
  }
  const to = query.get("to");
  if (to) {
    const namespace = query.get("to_namespace") ?? query.get("namespace") ?? "";
    const resource = resourceOf(namedIn(namespace, parseResource(to)));
    matches.push({ match: { case: "destinations", value: { resource } } });
  }
  return matches;
}
