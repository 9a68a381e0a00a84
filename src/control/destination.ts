// The Destination service: endpoints of services and profiles of targets, as streams.

import { create } from "@bufbuild/protobuf";
import type { GetDestination } from "../../proto/gen/destination_pb.js";
import {
  Destination,
  DestinationProfileSchema,
  UpdateSchema,
} from "../../proto/gen/destination_pb.js";
import type { Implementation } from "../stack/grpcserver.ts";
import { implement } from "../stack/grpcserver.ts";
import type { Source } from "./answers.ts";
import { streamAnswers, whole } from "./answers.ts";
import type { Client } from "./endpoints.ts";
import { endpointsFor } from "./endpoints.ts";
import { type EndpointSet, updatesBetween } from "./endpointsets.ts";
import { parseServiceName } from "./lookup.ts";
import { profileFor } from "./profiles.ts";
import { invalidArgument, notFound } from "./refusal.ts";
import type { World } from "./world.ts";

export type DestinationSources = { readonly get: Source; readonly getProfile: Source };

export function destination({ get, getProfile }: DestinationSources): Implementation {
  return implement(Destination, {
    get: (request) => {
      const client = parseContext(request.contextToken);
      let exists = false;
      const answer = (world: World): EndpointSet => {
        const set = endpointsOf(world, request, client, exists);
        exists = true;
        return set;
      };
      return streamAnswers<typeof UpdateSchema, EndpointSet>(get, answer, updates);
    },
    getProfile: (request) => {
      const client = parseContext(request.contextToken);
      return streamAnswers<typeof DestinationProfileSchema, ReturnType<typeof profileFor>>(
        getProfile,
        (world) => profileFor(world, request.path, client),
        whole(DestinationProfileSchema),
      );
    },
  });
}

/** Reads a proxy's context token, `{"ns":…,"nodeName":…}` or the older `ns:…`; garbage is nobody in particular. */
function parseContext(token: string): Client {
  if (token.startsWith("ns:")) return { namespace: token.slice(3), nodeName: "" };
  try {
    const { ns = "", nodeName = "" } = JSON.parse(token) as { ns?: string; nodeName?: string };
    return { namespace: String(ns), nodeName: String(nodeName) };
  } catch {
    return { namespace: "", nodeName: "" };
  }
}

// A service that goes away while it is watched has no endpoints; one that never was is refused.
function endpointsOf(
  world: World,
  { path }: GetDestination,
  client: Client,
  exists: boolean,
): EndpointSet {
  const name = parseServiceName(path, world.settings.clusterDomain);
  if (!name) throw invalidArgument(`${path} is not the name of a service of this cluster`);
  const service = world.Service.get(`${name.namespace}/${name.name}`);
  if (service?.spec.type === "ExternalName") {
    throw invalidArgument(`service ${name.namespace}/${name.name} is only a name for another host`);
  }
  if (service) return endpointsFor(world, service, name.port, client, name.hostname);
  if (!exists) throw notFound(`there is no service ${name.namespace}/${name.name}`);
  return { labels: {}, addrs: new Map() };
}

// A first answer without endpoints says so, so that a proxy need not wait for what will not come.
function updates(before: EndpointSet | undefined, now: EndpointSet) {
  if (before !== undefined || now.addrs.size > 0) return updatesBetween(before, now);
  return [create(UpdateSchema, { update: { case: "noEndpoints", value: { exists: true } } })];
}
