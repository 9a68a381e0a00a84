// What makes a policy resource or a service profile wrong: its shape (keys, types, choices), and the rules that no
// shape can say, as a table by kind. All mistakes are named at once.

import { parseCidr, contains } from "../platform/cidr.ts";
import type { Kind, Resource } from "../platform/kinds.ts";
import { KINDS, kindOf } from "../platform/kinds.ts";
import type { Mistake } from "../platform/shape.ts";
import type { RawObject } from "./manifest.ts";

type Rules = {
  readonly [K in Kind]?: (resource: Resource<K>, raw: RawObject) => readonly string[];
};

const unless = (isRight: unknown, mistake: string): string[] => (isRight ? [] : [mistake]);

type Network = { readonly cidr: string; readonly except?: readonly string[] };

function networks(list: readonly Network[]): string[] {
  return list.flatMap(({ cidr, except = [] }) => {
    const range = parseCidr(cidr);
    if (!range) return [`${cidr} is no network`];
    return except.flatMap((text) => {
      const [address = "", bits] = text.split("/");
      if (text === cidr) return [`except ${text} leaves nothing of ${cidr}`];
      const wide = bits !== undefined && Number(bits) < Number(cidr.split("/")[1] ?? 128);
      return unless(
        parseCidr(text) && contains(range, address) && !wide,
        `except ${text} is not inside ${cidr}`,
      );
    });
  });
}

const RULES: Rules = {
  AuthorizationPolicy: ({ metadata, spec }) => {
    const target = spec.targetRef as { kind: string; name: string; namespace?: string };
    return [
      ...unless(
        target.namespace === undefined || target.namespace === metadata.namespace,
        "the target must be in the policy's own namespace",
      ),
      ...unless(
        target.kind !== "Namespace" || target.name === metadata.namespace,
        "a policy for a namespace must be for its own",
      ),
    ];
  },
  NetworkAuthentication: ({ spec }) => [
    ...unless(spec.networks.length > 0, "networks must name at least one"),
    ...networks(spec.networks),
  ],
  EgressNetwork: ({ spec }) => networks(spec.networks ?? []),
  ServerAuthorization: ({ spec }) => {
    const { client } = spec as { client: { unauthenticated?: boolean; meshTLS?: object } };
    return unless(
      !(client.unauthenticated && client.meshTLS),
      "client must be unauthenticated or meshTLS, not both",
    );
  },
};

/** What is wrong with an object, a sentence each; nothing for kinds that we do not read. */
export function mistakesOf(object: RawObject): string[] {
  const kind = kindOf(object.apiVersion ?? "", object.kind ?? "");
  if (!kind) return [];
  const found: Mistake[] = [];
  const resource = {
    apiVersion: object.apiVersion,
    kind: object.kind,
    ...(KINDS[kind].shape.read(object, [], found) as object),
  };
  if (found.length > 0)
    return found.map(
      ({ path, value, wanted }) =>
        `${path.join(".")}: expected ${wanted}${value === undefined ? "" : `, not ${JSON.stringify(value)}`}`,
    );
  const rule = RULES[kind] as
    | ((resource: unknown, raw: RawObject) => readonly string[])
    | undefined;
  return [...(rule?.(resource, object) ?? [])];
}
