// Who may do what: the first authorization that admits a client by its network and identity. Both are facts of the
// connection, so the answer is worked out once for each connection and route, and a request only finds it again.

import { BlockList } from "node:net";
import { Fault } from "../base/fault.ts";
import type { Peer } from "../io/conn.ts";
import { ipFamily } from "../io/ip.ts";
import type { HttpService } from "./types.ts";

export type Network = { readonly ip: string; readonly prefix: number };

/** Admits clients that come from one of the networks and prove who they are, as far as it asks. */
export type Authorization = {
  readonly networks: readonly { readonly net: Network; readonly except: readonly Network[] }[];
  readonly clients:
    | { readonly kind: "anybody" }
    | { readonly kind: "tls" }
    | {
        readonly kind: "identities";
        readonly names: ReadonlySet<string>;
        /** Ends of names, with their dot; "" accepts every identity. */
        readonly suffixes: readonly string[];
      };
};

/** Finds the first of `authorizations` that admits a peer. */
export function compileAuthorizations<A extends Authorization>(
  authorizations: readonly A[],
): (peer: Peer) => A | undefined {
  const compiled = authorizations.map((authorization) => ({
    authorization,
    networks: authorization.networks.map(({ net, except }) => ({
      net: block([net]),
      except: block(except),
    })),
  }));
  return (peer) => {
    const ip = plain(peer.remote.ip);
    const family = ipFamily(ip);
    return compiled.find(
      ({ authorization, networks }) =>
        admits(authorization.clients, peer) &&
        networks.some(({ net, except }) => net.check(ip, family) && !except.check(ip, family)),
    )?.authorization;
  };
}

export type AuthorizeOptions<A> = {
  /** What admits clients on this machine, whom Linkerd always lets in; undefined asks them like all others. */
  readonly loopback?: A;
  /** Told of each request that is refused. */
  readonly onDeny?: (peer: Peer) => void;
};

/** The service that `bind` makes for the authorization that admits the client; others are `forbidden`. */
export function authorize<A extends Authorization>(
  authorizations: readonly A[],
  bind: (authorization: A) => HttpService,
  options: AuthorizeOptions<A> = {},
): HttpService {
  const find = compileAuthorizations(authorizations);
  const services = new Map<A, HttpService>();
  const decisions = new WeakMap<Peer, HttpService>();
  const deny: HttpService = (req) => {
    options.onDeny?.(req.peer);
    return Promise.reject(new Fault("forbidden", denial(req.peer)));
  };
  const decide = (peer: Peer): HttpService => {
    const local = options.loopback !== undefined && isLoopback(peer.remote.ip);
    const authorization = local ? options.loopback : find(peer);
    if (authorization === undefined) return deny;
    let service = services.get(authorization);
    if (service === undefined) services.set(authorization, (service = bind(authorization)));
    return service;
  };
  // Requests of one connection come in rows.
  let lastPeer: Peer | undefined;
  let lastService = deny;
  return function authorize(req) {
    const { peer } = req;
    if (peer !== lastPeer) {
      let service = decisions.get(peer);
      if (service === undefined) decisions.set(peer, (service = decide(peer)));
      lastPeer = peer;
      lastService = service;
    }
    return lastService(req);
  };
}

/** The identity that the client has proved, if any. */
export function identityOf(peer: Peer): string | undefined {
  return peer.tls.kind === "true" && peer.tls.identity !== "" ? peer.tls.identity : undefined;
}

/** Whether an address is one of 127.0.0.0/8, in either notation, or ::1. */
export function isLoopback(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1" || ip.startsWith("::ffff:127.");
}

function admits(clients: Authorization["clients"], peer: Peer): boolean {
  if (clients.kind === "anybody") return true;
  if (clients.kind === "tls") return peer.tls.kind === "true";
  const identity = identityOf(peer);
  if (identity === undefined) return false;
  return (
    clients.names.has(identity) || clients.suffixes.some((suffix) => identity.endsWith(suffix))
  );
}

function denial(peer: Peer): string {
  const who = identityOf(peer) ?? "a client without identity";
  return `unauthorized request: no authorization admits ${who} from ${peer.remote.ip}`;
}

function block(networks: readonly Network[]): BlockList {
  const list = new BlockList();
  for (const { ip, prefix } of networks) list.addSubnet(ip, prefix, ipFamily(ip));
  return list;
}

// An IPv4 client of a dual-stack listener.
function plain(ip: string): string {
  return ip.startsWith("::ffff:") && ip.includes(".") ? ip.slice(7) : ip;
}
