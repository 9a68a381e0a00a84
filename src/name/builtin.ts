// The names under `/$`: addresses written into a name, and the small rewriting rules that Linkerd 1 ships.
// They need no configuration; a rewriting rule that does not fit its path is negative, so that alternation goes on.

import { Fault } from "../base/fault.ts";
import { constant, failed, type Watch } from "../base/watch.ts";
import { type Addr, boundAddr } from "./addr.ts";
import type { Bound, Mount, Name } from "./bind.ts";
import { inetAddr, type Network, resolveHost, watchInet } from "./inet.ts";
import { empty, fail, leaf, type NameTree, neg } from "./nametree.ts";
import { type Path, printPath } from "./path.ts";
import { poll } from "./poll.ts";

type Builtin = (path: Path, network: Network) => NameTree<Name>;

/** The namer of `/$/…`, to stand after all configured ones. */
export function builtins(network: Network): Mount {
  const bind = (path: Path): Watch<NameTree<Name>> => {
    const [kind, ...rest] = path;
    if (kind === undefined) return constant<NameTree<Name>>(neg);
    const builtin = table[kind];
    if (builtin) return constant(builtin(rest, network));
    if (!className.test(kind)) return constant<NameTree<Name>>(neg);
    return unknownNamer(kind, path);
  };
  return { prefix: ["$"], namer: { bind } };
}

/** Whether `/$/<kind>` is served. */
export function isBuiltin(kind: string): boolean {
  return Object.hasOwn(table, kind);
}

/** All kinds under `/$`. */
export function builtinKinds(): string[] {
  return Object.keys(table);
}

// What Linkerd 1 would try to load as a class, and then complain.
const className = /^[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)+$/;

const methodName = /^[A-Z]+$/;
const hostName = /^[A-Za-z0-9.:_-]+$/;
const portLabel = /^[a-z0-9][-a-z0-9]{0,62}$/;

const table: Record<string, Builtin> = {
  __proto__: null as never,
  inet: (path, network) => bindInet("inet", path, (host, port) => watchInet(host, port, network)),
  fixedinet: (path, network) =>
    bindInet("fixedinet", path, (host, port) =>
      poll(network.clock, undefined, () => resolveHost(host, network.dns)).map((ips) =>
        inetAddr(ips, port),
      ),
    ),
  nil: () => empty,
  fail: () => fail,
  "io.buoyant.rinet": ([port, host, ...residual], network) => {
    const number = parsePort(port);
    if (host === undefined || number === undefined) return neg;
    const id = ["$", "io.buoyant.rinet", port!, host];
    return bound(id, residual, watchInet(host, number, network));
  },
  "io.buoyant.hostportPfx": ([pfx, hostport, ...rest]) => {
    const [host, port] = splitHostPort(hostport);
    return rewritten(pfx !== undefined && port !== undefined && [pfx, host!, port, ...rest]);
  },
  "io.buoyant.porthostPfx": ([pfx, hostport, ...rest]) => {
    const [host, port] = splitHostPort(hostport);
    return rewritten(pfx !== undefined && port !== undefined && [pfx, port, host!, ...rest]);
  },
  "io.buoyant.http.anyMethod": ([method, ...rest]) => rewritten(fits(methodName, method) && rest),
  "io.buoyant.http.anyMethodPfx": ([pfx, method, ...rest]) =>
    rewritten(fits(methodName, method) && [pfx!, ...rest]),
  "io.buoyant.http.anyHost": ([host, ...rest]) => rewritten(fits(hostName, host) && rest),
  "io.buoyant.http.anyHostPfx": ([pfx, host, ...rest]) =>
    rewritten(fits(hostName, host) && [pfx!, ...rest]),
  "io.buoyant.http.subdomainOf": ([domain, host, ...rest]) => {
    const sub = subdomain(domain, host);
    return rewritten(sub !== "" && [sub, ...rest]);
  },
  "io.buoyant.http.subdomainOfPfx": ([domain, pfx, host, ...rest]) => {
    const sub = subdomain(domain, host);
    return rewritten(sub !== "" && [pfx!, sub, ...rest]);
  },
  "io.buoyant.http.domainToPath": ([host, ...rest]) =>
    rewritten(fits(hostName, host) && [...labels(host!), ...rest]),
  "io.buoyant.http.domainToPathPfx": ([pfx, host, ...rest]) =>
    rewritten(fits(hostName, host) && [pfx!, ...labels(host!), ...rest]),
  "io.buoyant.http.status": ([code, ...residual]) => {
    if (code === undefined || !/^[1-5]\d\d$/.test(code)) return neg;
    const id = ["$", "io.buoyant.http.status", code];
    return leaf({ id, residual, addr: constant(boundAddr([])), status: Number(code) });
  },
};

function bindInet(
  kind: string,
  path: Path,
  watch: (host: string, port: number) => Watch<Addr>,
): NameTree<Name> {
  const port = parsePort(path[1]);
  if (port !== undefined) {
    return bound(["$", kind, path[0]!, path[1]!], path.slice(2), watch(path[0]!, port));
  }
  const localPort = parsePort(path[0]);
  if (localPort === undefined) return neg;
  return bound(["$", kind, path[0]!], path.slice(1), watch("127.0.0.1", localPort));
}

function bound(id: Path, residual: Path, addr: Watch<Addr>): NameTree<Bound> {
  return leaf({ id, residual, addr });
}

function rewritten(path: Path | false): NameTree<Path> {
  return path ? leaf(path) : neg;
}

function unknownNamer(kind: string, rest: Path): Watch<NameTree<Name>> {
  const name = printPath(["$", ...rest]);
  return failed(new Fault("no-route", `Unknown namer: ${kind} for path: ${name}`));
}

function fits(pattern: RegExp, segment: string | undefined): boolean {
  return segment !== undefined && pattern.test(segment);
}

function parsePort(segment: string | undefined): number | undefined {
  const port = /^\d{1,5}$/.test(segment ?? "") ? Number(segment) : -1;
  return port >= 0 && port <= 65535 ? port : undefined;
}

function splitHostPort(segment = ""): [host?: string, port?: string] {
  const [host, port, ...more] = segment.split(":");
  return host && more.length === 0 && fits(portLabel, port) ? [host, port!] : [];
}

function subdomain(domain: string | undefined, host: string | undefined): string {
  if (!fits(hostName, domain) || !fits(hostName, host)) return "";
  const name = host!.indexOf(":") > 0 ? host!.slice(0, host!.indexOf(":")) : host!;
  return name.endsWith(`.${domain}`) ? name.slice(0, -domain!.length - 1) : "";
}

function labels(host: string): string[] {
  return host
    .split(".")
    .reverse()
    .filter((label) => label !== "");
}
