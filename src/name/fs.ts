// The namer `io.l5d.fs`: a folder whose files are services, one `host port` or `host port * weight` a line.
// A missing file is negative, an empty one is bound to nothing; a file that cannot be read keeps its last good set.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Fault } from "../base/fault.ts";
import { constant, type Watch } from "../base/watch.ts";
import { absent, type Addr } from "./addr.ts";
import type { Name, Namer } from "./bind.ts";
import { watchEntry, watchFile, watchFolder } from "./file.ts";
import { type Endpoint, type Network, watchEndpoints } from "./inet.ts";
import { leaf, type NameTree, neg } from "./nametree.ts";
import { type Path, printPath } from "./path.ts";

/** Serves the files of `rootDir` and of its folders under `prefix` (`/#/io.l5d.fs`). */
export function fsNamer(rootDir: string, prefix: Path, network: Network): Namer {
  const { clock } = network;
  const bindIn = (folder: string, id: Path, [name, ...rest]: Path): Watch<NameTree<Name>> => {
    if (name === undefined || !isFileName(name)) return constant<NameTree<Name>>(neg);
    const file = Buffer.from(name, "latin1").toString();
    const here = [...id, name];
    return watchEntry(folder, file, clock).flatMap<NameTree<Name>>((entry) => {
      const path = join(folder, file);
      if (entry === "folder") return bindIn(path, here, rest);
      if (entry === "none") return constant<NameTree<Name>>(neg);
      return constant(leaf({ id: here, residual: rest, addr: watchAddrFile(path, network) }));
    });
  };
  return {
    bind: (path) => bindIn(rootDir, prefix, path),
    names: watchFolder(rootDir, undefined, clock, async () =>
      (await readdir(rootDir))
        .sort()
        .map((file) => [...prefix, Buffer.from(file).toString("latin1")]),
    ).distinct((a, b) => a.map(printPath).join() === b.map(printPath).join()),
  };
}

/** The address set that a file holds; absent while there is no file. */
function watchAddrFile(path: string, network: Network): Watch<Addr> {
  return watchFile(path, network.clock)
    .map((text) => (text === undefined ? undefined : parseEndpoints(text)))
    .flatMap((endpoints) =>
      endpoints ? watchEndpoints(endpoints, network) : constant<Addr>(absent),
    );
}

/** Reads the lines of such a file; `#` begins a comment. Throws at the first line that is none. */
export function parseEndpoints(text: string): Endpoint[] {
  return text
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "")
    .map(parseEndpoint);
}

function parseEndpoint(line: string): Endpoint {
  const [host, port, star, weight, ...more] = line.split(/\s+/);
  const endpoint = {
    host: host!,
    port: Number(port),
    weight: weight === undefined ? 1 : Number(weight),
  };
  const wellFormed =
    /^\d{1,5}$/.test(port ?? "") &&
    endpoint.port >= 1 &&
    endpoint.port <= 65535 &&
    (star === undefined || (star === "*" && weight !== undefined && endpoint.weight >= 0)) &&
    more.length === 0;
  if (!wellFormed) throw new Fault("bad-input", `malformed address: ${line}`);
  return endpoint;
}

// A segment may spell any byte as \xHH; none may lead out of the folder.
function isFileName(segment: string): boolean {
  return segment !== "." && segment !== ".." && !/[/\\\0]/.test(segment);
}
