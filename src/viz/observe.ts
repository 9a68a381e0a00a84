// How tap reaches a proxy: Tap.Observe on its control port. On one machine that is loopback, which proxies take in
// the clear.

import { Tap } from "../../proto/gen/tap_pb.js";
import type { Clock } from "../base/clock.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import { openChannel } from "./channel.ts";
import type { Observe } from "./tap.ts";

/** Opens a connection for each stream: taps are few, and end with whoever asked for them. */
export function observeOver(clock: Clock): Observe {
  return (pod, request, event, ended) => {
    const channel = openChannel({ ip: pod.ip, port: pod.controlPort }, clock);
    const authority = `${pod.ip}:${pod.controlPort}`;
    const stream = grpcClient(Tap, channel.service, authority, { clock }).observe(request);
    let isOver = false;
    stream.each(event, (fault) => {
      channel.close();
      if (isOver) return;
      isOver = true;
      ended(fault);
    });
    return () => {
      isOver = true;
      stream.cancel(new GrpcFault("CANCELLED", "nobody looks any more"));
    };
  };
}
