// Checks of meaning: what each value allows by itself, but not together with the others.
// They also run over files with other mistakes, so that nobody has to mend a file line by line; what could not be
// read is absent then, whatever the types say.

import { builtinKinds, isBuiltin } from "../name/builtin.ts";
import { type Dtab, matchesPrefix, type Prefix, printPrefix, wildcard } from "../name/dtab.ts";
import { captureNames } from "../name/matcher.ts";
import { leaves } from "../name/nametree.ts";
import { type Path, printPath } from "../name/path.ts";
import { nearest } from "./yamlhints.ts";
import { namerPrefix, namers as namerKinds } from "./yamlnamer.ts";
import type { PolicyEntry } from "./yamlpolicy.ts";
import type { Reading } from "./yamlreading.ts";
import type { Router, RouterConfig } from "./yamlrouter.ts";
import { did, repairPath } from "./yamlscalars.ts";
import { type At, offsetIn } from "./yamlsource.ts";

/** Reports what is wrong with a file as a whole. */
export function checkRouterConfig(config: RouterConfig, reading: Reading): void {
  const routers = present(config.routers);
  if (routers.length === 0 && !reading.source.failed) {
    reading.source.error(
      reading.placeOf(config, "routers"),
      "At least one router must be specified in the configuration.",
    );
  }
  checkLabels(routers, reading);
  checkPorts(config, reading);
  const namers = present(config.namers);
  // Where a namer could not be read, nobody knows what it serves.
  const mounts = namers.length < (config.namers?.length ?? 1) ? undefined : namers.map(namerPrefix);
  const rewritten = namers.flatMap((namer) =>
    namer.kind === "io.l5d.rewrite" ? (namer.name ?? "").split("/").slice(1, 2) : [],
  );
  for (const router of routers) {
    if (router.servers?.length === 0) {
      reading.source.error(
        reading.placeOf(router, "servers"),
        `router '${router.label}' has no servers`,
        "add servers: with a port",
      );
    }
    checkDtab(router, mounts, rewritten, reading);
    checkPolicies(router, mounts, reading);
  }
}

function checkLabels(routers: readonly Router[], reading: Reading): void {
  const seen = new Set<string>();
  for (const router of routers) {
    const at = reading.placeOf(router, "label");
    if (seen.has(router.label)) {
      reading.source.error(
        at,
        `Multiple routers with the label ${router.label}`,
        "give each a label of its own",
      );
    }
    seen.add(router.label);
  }
}

type Listener = { readonly ip: string; readonly port: number; readonly at: At };

function checkPorts({ admin, routers }: RouterConfig, reading: Reading): void {
  const listeners: Listener[] = [];
  if (admin) {
    const { ip, port, httpIdentifierPort } = admin;
    listeners.push({ ip, port, at: reading.placeOf(admin, "port") });
    if (httpIdentifierPort !== undefined) {
      const at = reading.placeOf(admin, "httpIdentifierPort");
      listeners.push({ ip, port: httpIdentifierPort, at });
    }
  }
  for (const router of present(routers)) {
    for (const server of present(router.servers as readonly Router["servers"][number][])) {
      listeners.push({ ip: server.ip, port: server.port, at: reading.placeOf(server, "port") });
    }
  }
  listeners.forEach(({ ip, port, at }, i) => {
    if (port === undefined) return;
    for (const other of listeners.slice(0, i)) {
      if (other.port !== port) continue;
      const where = `${other.at.path} has it already`;
      if (other.ip === ip) {
        reading.source.error(at, `Server conflict on port ${port}`, where);
        break;
      }
      if (port !== 0 && [ip, other.ip].includes("0.0.0.0")) {
        reading.source.warn(at, `port ${port} of 0.0.0.0 is that of every address`, where);
      }
    }
  });
}

/** Interpreters that ask the namers of this file. */
function bindsHere({ interpreter }: Router): boolean {
  return interpreter?.kind === "default" || interpreter?.kind === "io.l5d.fs";
}

function checkDtab(
  router: Router,
  mounts: readonly Path[] | undefined,
  rewritten: readonly string[],
  reading: Reading,
): void {
  if (!router.dtab || !bindsHere(router)) return;
  const at = reading.placeOf(router, "dtab");
  const stored = router.interpreter.kind !== "default";
  const reached = new Set<string>([router.dstPrefix?.[0] ?? "", ...rewritten, "#", "$", "%"]);
  for (const { dst } of router.dtab) {
    for (const path of leaves(dst)) {
      for (const segment of path[0] === "$" ? path : path.slice(0, 1)) reached.add(segment);
      const complaint = unserved(path, router.dtab, mounts, stored);
      if (complaint) warnIn(reading, at, printPath(path), ...complaint);
    }
  }
  const isOpenEnded = stored || router.dstPrefix === undefined;
  for (const { prefix } of isOpenEnded ? [] : router.dtab) {
    const [first] = prefix;
    if (first === undefined || first === wildcard || reached.has(first)) continue;
    const names = printPath(router.dstPrefix ?? []);
    warnIn(
      reading,
      at,
      printPrefix(prefix),
      `no name leads to the rule for ${printPrefix(prefix)}`,
      `names begin with ${names}, and no rule makes one of these`,
    );
  }
}

/** Why nothing serves a path that a rule makes, and what to do; undefined when something may. */
function unserved(
  path: Path,
  dtab: Dtab,
  mounts: readonly Path[] | undefined,
  stored: boolean,
): [message: string, hint: string | undefined] | undefined {
  const [first, second] = path;
  const name = printPath(path);
  if (first === undefined || dtab.some(({ prefix }) => mayMatch(prefix, path))) return undefined;
  if (first === "#") {
    if (second === undefined || !mounts) return undefined;
    if (mounts.some((mount) => mayMatch(mount, path))) return undefined;
    const known = mounts.map(printPath);
    const kind = Object.hasOwn(namerKinds, second) ? `kind ${second}` : `the prefix /${second}`;
    return [`no namer serves ${name}`, did(nearest(name, known)) ?? `add a namer with ${kind}`];
  }
  if (first === "$") {
    if (second === undefined || isBuiltin(second)) return undefined;
    return [`nothing serves /$/${second}`, did(nearest(second, builtinKinds()))];
  }
  const repaired = repairPath(name);
  if (repaired !== name) return [`nothing serves ${name}`, did(repaired)];
  if (stored) return undefined;
  const inNamer = mounts?.some((mount) => mayMatch(mount, ["#", ...path]));
  const rules = dtab.map(({ prefix }) => printPrefix(prefix));
  return [
    `nothing serves ${name}: no rule begins so, and it does not begin with /# or /$`,
    did(inNamer ? `/#${name}` : nearest(name, rules)),
  ];
}

/** Whether a rule or a namer may take some longer name of `path`, or `path` itself. */
function mayMatch(prefix: Prefix, path: Path): boolean {
  return matchesPrefix(prefix.slice(0, path.length), path);
}

function checkPolicies(
  router: Router,
  mounts: readonly Path[] | undefined,
  reading: Reading,
): void {
  const { client } = router;
  const service = "service" in router ? router.service : undefined;
  if (service?.kind === "io.l5d.static") {
    for (const entry of present<PolicyEntry<object>>(service.configs)) {
      checkPrefix(entry, reading, (segments) => neverService(segments, router.dstPrefix ?? []));
    }
  }
  if (client?.kind === "io.l5d.static") {
    const entries = present<(typeof client.configs)[number]>(client.configs);
    const captured = entries.flatMap((entry) => captureNames(entry.prefix?.pattern ?? ""));
    for (const entry of entries) {
      checkPrefix(entry, reading, (segments) =>
        neverClient(segments, bindsHere(router) ? mounts : undefined),
      );
      checkCommonName(entry, captured, reading);
    }
  } else if (client) checkCommonName(client, [], reading);
}

function checkPrefix(
  entry: PolicyEntry<object>,
  reading: Reading,
  never: (segments: readonly string[]) => [message: string, hint: string | undefined] | undefined,
): void {
  if (!entry.prefix) return;
  const { pattern } = entry.prefix;
  const complaint = never(pattern.split("/").filter((segment) => segment !== ""));
  if (complaint) reading.source.warn(reading.placeOf(entry, "prefix"), ...complaint);
}

function neverService(
  segments: readonly string[],
  dstPrefix: Path,
): [string, string | undefined] | undefined {
  if (fits(segments, dstPrefix)) return undefined;
  const [first = ""] = segments;
  const begins = `names of services begin with ${printPath(dstPrefix)}`;
  const hint = "#$%".includes(first[0] ?? "")
    ? "prefixes of clients belong under client"
    : undefined;
  return [`this prefix never matches: ${begins}`, hint];
}

function neverClient(
  segments: readonly string[],
  mounts: readonly Path[] | undefined,
): [string, string | undefined] | undefined {
  const [first, second] = segments;
  if (first === undefined || isOpen(first)) return undefined;
  const written = `/${segments.join("/")}`;
  // Said where the prefix was read.
  if (repairPath(written) !== written) return undefined;
  if (first === "%" || second === undefined) return undefined;
  if (first === "#") {
    if (!mounts || mounts.some((mount) => fits(segments, mount))) return undefined;
    return [
      "this prefix never matches: no namer has it",
      did(nearest(written, mounts.map(printPath))),
    ];
  }
  if (first === "$") {
    if (isOpen(second) || isBuiltin(second)) return undefined;
    return [
      `this prefix never matches: nothing serves /$/${second}`,
      did(nearest(second, builtinKinds())),
    ];
  }
  return [
    "this prefix never matches: ids of clients begin with /#/, /$/ or /%/",
    "prefixes of services belong under service",
  ];
}

function checkCommonName(
  policy: { readonly tls?: { readonly commonName?: string | undefined } | undefined },
  captured: readonly string[],
  reading: Reading,
): void {
  const { tls } = policy;
  for (const name of captureNames(tls?.commonName ?? "")) {
    if (captured.includes(name)) continue;
    reading.source.warn(
      reading.placeOf(tls!, "commonName"),
      `{${name}} is captured by no prefix and stays as it is`,
      captured.length > 0
        ? did(`{${captured[0]}}`)
        : "prefixes of client.kind io.l5d.static capture with {name}",
    );
  }
}

/** Whether a pattern's segments and a path agree as far as both go. */
function fits(segments: readonly string[], path: Path): boolean {
  return segments.every((segment, i) => i >= path.length || isOpen(segment) || segment === path[i]);
}

function isOpen(segment: string): boolean {
  return segment === "*" || captureNames(segment).length > 0;
}

// The value of a list in which some items could not be read.
function present<T>(items: readonly T[] | undefined): T[] {
  return (items ?? []).filter((item) => item !== undefined);
}

/** Warns at the place of some text in a value, or in one of the items of a list of texts. */
function warnIn(
  reading: Reading,
  at: At,
  text: string,
  message: string,
  hint: string | undefined,
): void {
  const items = reading.source.items(at);
  const item = items.find((one) => reading.written(one)?.includes(text)) ?? at;
  const index = reading.written(item)?.indexOf(text) ?? -1;
  const offset = index < 0 ? undefined : offsetIn(reading.source, item, index);
  reading.source.warn(at, message, hint, offset);
}
