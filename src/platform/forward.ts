// What a pod without a sidecar gets in place of one: connections to a service go to its ready endpoints in
// turn, as bytes. The kube-proxy of one machine.

import { connect } from "node:net";
import type { Close } from "../base/watch.ts";
import type { Listener } from "./network.ts";
import { accept, join } from "./relay.ts";
import { endpointsOf } from "./slices.ts";
import type { Store } from "./store.ts";

/** Listens for one port of a service until closed; calls leave from `sourceIp`. */
export function forward(
  store: Store,
  { listen, target }: Listener,
  sourceIp: string,
): Promise<Close> {
  const [host, port] = listen.split(":");
  let turn = 0;
  return accept({ host, port: Number(port) }, (from) => {
    const endpoints = endpointsOf(store, target);
    if (endpoints.length === 0) return from.destroy();
    const endpoint = endpoints[turn++ % endpoints.length]!;
    join(from, connect({ ...endpoint, localAddress: sourceIp, allowHalfOpen: true }));
  });
}
