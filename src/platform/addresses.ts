// Addresses of a local mesh, all inside 127.0.0.0/8, so that no interface needs to be made:
//
//   127.66.M.1        the control plane               127.96.x.y    services (names only, nothing listens)
//   127.80.x.y        pods                            127.112.x.y   a pod's view of one port of a service
//
// M is the number of the mesh, 0 to 15, so that several meshes share a machine; x runs from 16·M to 16·M+15.

import { createServer } from "node:net";
import { Fault } from "../base/fault.ts";
import type { Close } from "../base/watch.ts";

const MESHES = 16;
const LOCK_PORT = 28_079;
/** The first of the control plane's ports. */
const CONTROL_PORT = 28_086;

/** The ranges above, as the control plane's cluster networks. */
export const LOCAL_NETWORKS = "127.64.0.0/10";

/** The number of a mesh and what gives it back. */
export type MeshNumber = { readonly number: number; readonly close: Close };

/** Takes the first number that no other mesh of this machine has. */
export async function claimMesh(): Promise<MeshNumber> {
  for (let number = 0; number < MESHES; number++) {
    const close = await hold(controlIp(number), LOCK_PORT);
    if (!close) continue;
    // What is left of a mesh that was killed may hold its ports a moment longer than the lock.
    const probe = await hold(controlIp(number), CONTROL_PORT);
    probe?.();
    if (probe) return { number, close };
    close();
  }
  throw new Fault("in-use", `${MESHES} local meshes are running already; stop one of them first`);
}

/** The address of a mesh's control plane. */
export function controlIp(mesh: number): string {
  return `127.66.${mesh}.1`;
}

/** Hands out addresses of one range in turn, so that one that was given back rests before it is used again. */
export class Addresses {
  readonly #prefix: string;
  readonly #base: number;
  readonly #blocks: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** The addresses of `blocks` times 254 that begin with `prefix` ("10.244") and `base`. */
  constructor(prefix: string, base: number, blocks: number) {
    this.#prefix = prefix;
    this.#base = base;
    this.#blocks = blocks;
  }

  /** A range of mesh `mesh` on loopback. */
  static loopback(range: 80 | 96 | 112, mesh: number): Addresses {
    const blocks = 256 / MESHES;
    return new Addresses(`127.${range}`, mesh * blocks, blocks);
  }

  take(): string {
    const size = this.#blocks * 254;
    for (let tried = 0; tried < size; tried++) {
      const at = this.#next;
      this.#next = (at + 1) % size;
      if (this.#taken.has(at)) continue;
      this.#taken.add(at);
      return `${this.#prefix}.${this.#base + Math.floor(at / 254)}.${1 + (at % 254)}`;
    }
    throw new Fault("in-use", `all ${size} addresses of ${this.#prefix}.0.0 are taken`);
  }

  give(ip: string): void {
    const [, , x, y] = ip.split(".").map(Number);
    this.#taken.delete((x! - this.#base) * 254 + y! - 1);
  }
}

function hold(host: string, port: number): Promise<Close | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") return resolve(undefined);
      reject(
        new Fault(
          "no-permission",
          `cannot listen on ${host} (${error.message}): the local mesh needs the loopback range 127.0.0.0/8, ` +
            "which Linux has; on macOS add the addresses with `sudo ifconfig lo0 alias`",
          { cause: error },
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.unref();
      resolve(() => void server.close());
    });
  });
}
