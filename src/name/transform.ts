// Transformers: what is done to bound names after a namer or an interpreter found them.
// Most map one bound name to another and put `/%/<kind>/…` before its id, so that clients can be told apart.

import { networkInterfaces } from "node:os";
import { constant, type Watch } from "../base/watch.ts";
import { absent, type Addr, type Address, mapAddresses } from "./addr.ts";
import { bindName, type Bound, isPath, type Lookup, type Namer } from "./bind.ts";
import { leaf, leaves, mapTree, type NameTree } from "./nametree.ts";
import type { Path } from "./path.ts";
import { resolve } from "./resolve.ts";

/** One transformer; `kind` names it in delegations. */
export type Transformer = {
  readonly kind: string;
  /** What becomes of one bound name. */
  readonly each: (bound: Bound) => Watch<NameTree<Bound>>;
  /** Set when the input does not matter at all. */
  readonly instead?: Watch<NameTree<Bound>>;
};

/** What a transformer makes of a bound tree. */
export function transform(transformer: Transformer, tree: NameTree<Bound>): Watch<NameTree<Bound>> {
  return transformer.instead ?? resolve(tree, transformer.each);
}

/** What transformers make of a bound tree, one after the other. */
export function transformAll(
  found: Watch<NameTree<Bound>>,
  transformers: readonly Transformer[],
): Watch<NameTree<Bound>> {
  return transformers.reduce((trees, one) => trees.flatMap((tree) => transform(one, tree)), found);
}

/** The namer with transformers behind it, in their order; answers that are still paths pass unchanged. */
export function transformed(namer: Namer, transformers: readonly Transformer[]): Namer {
  return transformers.reduce<Namer>(
    (inner, transformer) => ({
      ...inner,
      bind: (path) =>
        inner
          .bind(path)
          .flatMap((tree) =>
            [...leaves(tree)].some(isPath)
              ? constant(tree)
              : transform(transformer, tree as NameTree<Bound>),
          ),
    }),
    namer,
  );
}

/** `io.l5d.port`: every address at one port. */
export function portTransformer(prefix: Path, port: number): Transformer {
  return mapping("io.l5d.port", prefix, (addr) =>
    mapAddresses(addr, (all) => all.map((one) => ({ ...one, port }))),
  );
}

/** `io.l5d.specificHost`: only the addresses of one host. */
export function specificHostTransformer(prefix: Path, ip: string): Transformer {
  return filtering("io.l5d.specificHost", prefix, (address) => address.ip === ip);
}

/** `io.l5d.localhost`: only the addresses of this machine. */
export function localhostTransformer(prefix: Path): Transformer {
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((all) => all?.map((one) => one.address) ?? []),
  );
  return filtering(
    "io.l5d.localhost",
    prefix,
    ({ ip }) => own.has(ip) || ip.startsWith("127.") || ip === "::1",
  );
}

/** Only the IPv4 addresses that share their first `bits` bits with `ip`, as nodes of a cluster share theirs with their pods. */
export function subnetTransformer(
  kind: string,
  prefix: Path,
  ip: string,
  bits: number,
): Transformer {
  return filtering(kind, prefix, (address) => sameSubnet(address.ip, ip, bits));
}

/** `io.l5d.replace`: every bound name becomes what `path` is bound to. */
export function replaceTransformer(prefix: Path, path: Path, lookup: Lookup): Transformer {
  const bound = prefixed(prefix, path, lookup);
  return { kind: "io.l5d.replace", each: () => bound };
}

/** `io.l5d.const`: whatever was found, `path` is used. */
export function constTransformer(prefix: Path, path: Path, lookup: Lookup): Transformer {
  const bound = prefixed(prefix, path, lookup);
  return { kind: "io.l5d.const", each: () => bound, instead: bound };
}

/** A transformer that maps the address set of each bound name and puts `prefix` before its id. */
function mapping(kind: string, prefix: Path, f: (addr: Addr) => Addr): Transformer {
  return {
    kind,
    each: (bound) =>
      constant(leaf({ ...bound, id: [...prefix, ...bound.id], addr: bound.addr.map(f) })),
  };
}

/** A transformer that keeps the addresses that pass; none left is absent. */
function filtering(kind: string, prefix: Path, keep: (address: Address) => boolean): Transformer {
  return mapping(kind, prefix, (addr) => {
    const kept = mapAddresses(addr, (all) => all.filter(keep));
    return kept.kind === "bound" && kept.addresses.length === 0 ? absent : kept;
  });
}

/** Whether two IPv4 addresses agree in their first `bits` bits; false for anything else. */
export function sameSubnet(a: string, b: string, bits: number): boolean {
  const [left, right] = [ip4Bits(a), ip4Bits(b)];
  if (left === undefined || right === undefined) return false;
  return bits === 0 || (left ^ right) >>> (32 - bits) === 0;
}

function ip4Bits(ip: string): number | undefined {
  const parts = ip.split(".").map(Number);
  if (parts.length !== 4 || !parts.every((part) => part >= 0 && part <= 255)) return undefined;
  return parts.reduce((bits, part) => (bits << 8) | part, 0);
}

function prefixed(prefix: Path, path: Path, lookup: Lookup): Watch<NameTree<Bound>> {
  return bindName(lookup, path).map((tree) =>
    mapTree(tree, (bound) => ({ ...bound, id: [...prefix, ...bound.id] })),
  );
}
