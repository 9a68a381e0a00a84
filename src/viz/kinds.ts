// The kinds of resource that people name on the command line and that metrics are grouped by.
// One row a kind: everything that parses, prints or groups by a kind reads this table.

import { Fault } from "../base/fault.ts";

export type Kind = {
  /** Canonical, as in viz.proto's Resource.type. */
  readonly name: string;
  /** What tables print before a name when several kinds are listed ("deploy/web"). */
  readonly short: string;
  readonly plural: string;
  /** The label of its proxies' metrics; with `dst_` before it, of those that call it. */
  readonly label: string;
  /** What it is to traffic: it owns pods, is called, groups others, or only configures. */
  readonly role: "workload" | "target" | "group" | "config";
  readonly aliases: readonly string[];
};

const kind = (
  name: string,
  short: string,
  role: Kind["role"],
  aliases: readonly string[] = [],
  label = name,
  plural = `${name}s`,
): Kind => ({ name, short, plural, label, role, aliases });

/** In the order in which `all` lists them. */
export const KINDS: readonly Kind[] = [
  kind("cronjob", "cj", "workload"),
  kind("daemonset", "ds", "workload"),
  kind("deployment", "deploy", "workload"),
  kind("job", "job", "workload", [], "k8s_job"),
  kind("namespace", "ns", "group"),
  kind("pod", "po", "workload"),
  kind("replicaset", "rs", "workload"),
  kind("replicationcontroller", "rc", "workload"),
  kind("statefulset", "sts", "workload"),
  kind("service", "svc", "target"),
  kind("authority", "au", "target", [], "authority", "authorities"),
  kind("trafficsplit", "ts", "config"),
  kind("serviceprofile", "sp", "config"),
  kind("server", "srv", "config"),
  kind("serverauthorization", "saz", "config", ["serverauthz", "srvauthz"]),
  kind("authorizationpolicy", "ap", "config", ["authzpolicy"], undefined, "authorizationpolicies"),
  kind("meshtlsauthentication", "meshtlsauthn", "config"),
  kind("networkauthentication", "netauthn", "config", ["networkauthn"]),
  kind("httproute", "httproute", "config"),
  kind("link", "ln", "config"),
];

const BY_NAME = new Map(
  KINDS.flatMap((k) => [k.name, k.short, k.plural, ...k.aliases].map((n) => [n, k] as const)),
);

/** The kind that any of its names stands for, in any case; undefined for none. */
export function kindOf(name: string): Kind | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** One resource, or all of a kind when `name` is "". `all` is a kind of its own: every kind with traffic. */
export type ResourceName = { readonly kind: string; readonly name: string };

export const ALL = "all";

/** Reads `TYPE`, `TYPE NAME…`, `TYPE/NAME …`: what stands after a verb. */
export function parseResources(args: readonly string[]): ResourceName[] {
  if (args.length === 0) {
    throw new Fault("bad-input", 'name a resource, for example "deploy" or "deploy/web"');
  }
  const slashed = args.filter((arg) => arg.includes("/"));
  if (slashed.length === args.length) return args.map(parseResource);
  if (slashed.length > 0) {
    throw new Fault(
      "bad-input",
      `"${args.join(" ")}" mixes TYPE/NAME with TYPE NAME: write "deploy/web po/vote" or "deploy web emoji"`,
    );
  }
  const [type, ...names] = args as [string, ...string[]];
  const { kind: canonical } = parseResource(type);
  if (names.length === 0) return [{ kind: canonical, name: "" }];
  // `stat deploy po` names kinds; `stat deploy web` a deployment. A name that is a kind reads as one, as in kubectl.
  if (names.every((n) => kindOf(n) !== undefined)) return args.map(parseResource);
  return names.map((name) => ({ kind: canonical, name }));
}

/** Reads `TYPE` or `TYPE/NAME`. */
export function parseResource(text: string): ResourceName {
  const [type = "", name = "", ...rest] = text.split("/");
  if (rest.length > 0) {
    throw new Fault("bad-input", `"${text}" has too many slashes: write TYPE/NAME`);
  }
  if (type.toLowerCase() === ALL) {
    if (name !== "") throw new Fault("bad-input", '"all" takes no name');
    return { kind: ALL, name: "" };
  }
  const found = kindOf(type);
  if (!found) {
    const known = KINDS.map((k) => k.short).join(", ");
    throw new Fault("bad-input", `"${type}" is no kind of resource: use one of ${known}, all`);
  }
  return { kind: found.name, name };
}
