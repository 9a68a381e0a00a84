// What a pod without a sidecar gets in place of one: connections to a service go to its ready endpoints in
// turn, as bytes. The kube-proxy of one machine.

import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Close } from "../base/watch.ts";
import type { Listener } from "./network.ts";
import { endpointsOf } from "./slices.ts";
import type { Store } from "./store.ts";

/** Listens for one port of a service until closed; calls leave from `sourceIp`. */
export function forward(
  store: Store,
  { listen, target }: Listener,
  sourceIp: string,
): Promise<Close> {
  const [host, port] = listen.split(":");
  const open = new Set<Socket>();
  let turn = 0;
  const server = createServer({ allowHalfOpen: true }, (from) => {
    const endpoints = endpointsOf(store, target);
    if (endpoints.length === 0) return from.destroy();
    const to = connect({
      ...endpoints[turn++ % endpoints.length]!,
      localAddress: sourceIp,
      allowHalfOpen: true,
    });
    for (const socket of [from, to]) {
      open.add(socket);
      socket.on("close", () => open.delete(socket));
    }
    from.on("error", () => to.destroy());
    to.on("error", () => from.destroy());
    from.pipe(to).pipe(from);
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port: Number(port) }, () => {
      resolve(() => {
        server.close();
        for (const socket of open) socket.destroy();
      });
    });
  });
}
