// The policy services: OutboundPolicies for targets and InboundServerPolicies for ports, each once or as a
// stream.

import type { PortSpec } from "../../proto/gen/inbound_pb.js";
import { InboundServerPolicies, ServerSchema } from "../../proto/gen/inbound_pb.js";
import type { TrafficSpec } from "../../proto/gen/outbound_pb.js";
import { OutboundPolicies, OutboundPolicySchema } from "../../proto/gen/outbound_pb.js";
import { parseIp } from "../proxy/fromproto.ts";
import type { Implementation } from "../stack/grpcserver.ts";
import { implement } from "../stack/grpcserver.ts";
import type { Source } from "./answers.ts";
import { streamAnswers, whole } from "./answers.ts";
import type { WorkloadName } from "./inbound.ts";
import { inboundFor } from "./inbound.ts";
import type { OutboundTarget } from "./outbound.ts";
import { outboundFor } from "./outbound.ts";
import { invalidArgument } from "./refusal.ts";

export type PolicySources = { readonly inbound: Source; readonly outbound: Source };

export function policy({ inbound, outbound }: PolicySources): Implementation[] {
  return [
    implement(OutboundPolicies, {
      get: async (spec) => {
        return outboundFor(await outbound.world.next(), targetOf(spec), namespaceOf(spec));
      },
      watch: (spec) => {
        const [target, namespace] = [targetOf(spec), namespaceOf(spec)];
        return streamAnswers<typeof OutboundPolicySchema, ReturnType<typeof outboundFor>>(
          outbound,
          (world) => outboundFor(world, target, namespace),
          whole(OutboundPolicySchema),
        );
      },
    }),
    implement(InboundServerPolicies, {
      getPort: async (spec) => {
        return inboundFor(await inbound.world.next(), workloadOf(spec), spec.port);
      },
      watchPort: (spec) => {
        const workload = workloadOf(spec);
        return streamAnswers<typeof ServerSchema, ReturnType<typeof inboundFor>>(
          inbound,
          (world) => inboundFor(world, workload, spec.port),
          whole(ServerSchema),
        );
      },
    }),
  ];
}

/** Reads a proxy's name for its workload: JSON, or the older "namespace:pod". */
function parseWorkload(text: string): WorkloadName {
  if (!text.startsWith("{")) {
    const [namespace = "", pod = "", ...more] = text.split(":");
    if (namespace === "" || pod === "" || more.length > 0) throw badWorkload(text);
    return { namespace, pod };
  }
  try {
    const value = JSON.parse(text) as { ns: string; pod?: string; external_workload?: string };
    const { ns: namespace, pod, external_workload: externalWorkload } = value;
    if (typeof namespace !== "string" || (pod ?? externalWorkload) === undefined) {
      throw badWorkload(text);
    }
    return pod === undefined
      ? { namespace, externalWorkload: String(externalWorkload) }
      : { namespace, pod: String(pod) };
  } catch {
    throw badWorkload(text);
  }
}

function workloadOf({ workload, port }: PortSpec): WorkloadName {
  if (port < 1 || port > 65_535) throw invalidArgument(`${port} is not a port`);
  return parseWorkload(workload);
}

// A client that does not say who it is sees what producers say.
function namespaceOf({ sourceWorkload }: TrafficSpec): string {
  return sourceWorkload === "" ? "" : parseWorkload(sourceWorkload).namespace;
}

function targetOf({ target }: TrafficSpec): OutboundTarget {
  switch (target.case) {
    case "authority":
      return { authority: target.value };
    case "addr": {
      const { ip, port } = target.value;
      if (port < 1 || port > 65_535) throw invalidArgument(`${port} is not a port`);
      if (ip?.ip.case === undefined) throw invalidArgument("the address of the target has no IP");
      return { ip: parseIp(ip, "target.addr.ip"), port };
    }
    case undefined:
      throw invalidArgument("the request names no target");
  }
}

const badWorkload = (text: string): Error =>
  invalidArgument(`"${text}" is no workload; expected {"ns":"…","pod":"…"}`);
