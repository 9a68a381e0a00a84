// The way out of a mesh that has a network of its own: TCP connections to addresses that are not the mesh's
// are taken on the bridge and dialled on the other side of a Unix socket, in the machine's network.

import { createServer } from "node:net";
import type { Close } from "../base/watch.ts";
import { originalDst } from "../io/origdst.ts";
import { MACHINE_IP } from "./isolation.ts";
import { join, through } from "./relay.ts";

const PORT = 15_001;

/** Takes what comes from `bridge` for elsewhere, until closed; `shell` runs a script with the privileges that it needs. */
export async function serveEgress(
  socketPath: string,
  bridge: string,
  shell: (script: string) => Promise<void>,
): Promise<Close> {
  const original = originalDst();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (from) => {
    const to = original(from);
    if (to) join(from, through(socketPath, `${to.ip}:${to.port}`));
    else from.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    // Later ones too, of connections that cannot be accepted.
    server.on("error", reject);
    server.listen({ host: "0.0.0.0", port: PORT }, resolve);
  });
  await shell(`
    iptables -w -t nat -A PREROUTING -i ${bridge} -p tcp -d ${MACHINE_IP} -j REDIRECT --to-port ${PORT}
    iptables -w -t nat -A PREROUTING -i ${bridge} -d 10.244.0.0/16 -j RETURN
    iptables -w -t nat -A PREROUTING -i ${bridge} -d 10.96.0.0/16 -j RETURN
    iptables -w -t nat -A PREROUTING -i ${bridge} -p tcp -j REDIRECT --to-port ${PORT}`);
  return () => void server.close();
}
