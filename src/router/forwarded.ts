// What a server adds to requests where its file asks for it: Forwarded (RFC 7239) with labels for both ends, and the
// time of arrival.

import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { Peer, SocketAddr } from "../io/conn.ts";
import { printAddr } from "../stack/normalize.ts";
import type { HttpFilter } from "../stack/types.ts";
import { joined, setHeader } from "../wire/headers.ts";
import type { ServerConfig } from "./routerconfig.ts";
import type { Labeler } from "./yamltraffic.ts";

type Settings = NonNullable<ServerConfig["addForwardedHeader"]>;

/** Writes one end of a connection. */
type Label = (peer: Peer, addr: SocketAddr) => string;

/** Adds `Forwarded: by=…;for=…;host=…;proto=…`. */
export function forwarded(settings: Settings, router: string, random: Random): HttpFilter {
  const by = labelOf(settings.by, router, random);
  const from = labelOf(settings.for, router, random);
  return (next) =>
    function forwarded(req) {
      const { peer, authority, version } = req;
      const host =
        authority === "" ? "" : `;${version === 20 ? "authority" : "host"}=${quoted(authority)}`;
      const proto = req.absolute || version === 20 ? `;proto=${req.scheme || "http"}` : "";
      const mine = `by=${by(peer, peer.local)};for=${from(peer, peer.remote)}${host}${proto}`;
      const before = joined(req.headers, "forwarded");
      setHeader(req.headers, "forwarded", before === undefined ? mine : `${before}, ${mine}`);
      return next(req);
    };
}

/** Adds the time of arrival in milliseconds since 1970, in the field `name`. */
export function timestamp(name: string, clock: Clock): HttpFilter {
  const lower = name.toLowerCase();
  return (next) =>
    function timestamp(req) {
      const arrived = Math.round(clock.wall() - (clock.now() - req.at));
      setHeader(req.headers, lower, String(arrived));
      return next(req);
    };
}

function labelOf(labeler: Labeler, router: string, random: Random): Label {
  switch (labeler.kind) {
    case "ip":
      return (_, { ip }) => quoted(ip.includes(":") ? `[${ip}]` : ip);
    case "ip:port":
      return (_, addr) => quoted(printAddr(addr));
    case "connectionRandom": {
      const labels = new WeakMap<Peer, string>();
      return (peer) => {
        let label = labels.get(peer);
        if (label === undefined) labels.set(peer, (label = obfuscated(random)));
        return label;
      };
    }
    case "requestRandom":
      return () => obfuscated(random);
    case "router":
      return fixed(router);
    case "static":
      return fixed(labeler.label);
  }
}

// What is no address begins with an underscore (RFC 7239 §6.3).
function fixed(label: string): Label {
  const text = quoted(label.startsWith("_") ? label : `_${label}`);
  return () => text;
}

const ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz";

// RFC 7239 §6.3.
function obfuscated(random: Random): string {
  let label = "_";
  for (let i = 0; i < 6; i++) label += ALPHABET[random.below(ALPHABET.length)]!;
  return label;
}

function quoted(text: string): string {
  return /^[\w.-]+$/.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}
