// Moves answers onto streams: a stream sends the answer of each world that differs from the one it sent
// before. A client that is slow gets the newest answer when it has caught up, and never a queue of old ones.

import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { toBinary } from "@bufbuild/protobuf";
import type { Counter, Gauge } from "../base/metrics.ts";
import type { Close, Watch } from "../base/watch.ts";
import { GrpcFault } from "../stack/grpc.ts";
import type { Feed } from "../stack/grpcmessages.ts";
import type { World } from "./world.ts";

/** What is counted for the streams of one method. */
export type StreamMetrics = { readonly open: Gauge; readonly sent: Counter };

/** The worlds that answers are made of, and what is counted. */
export type Source = { readonly world: Watch<World>; readonly metrics: StreamMetrics };

/**
 * The stream of `answer`; rejects when its first answer is a refusal, and ends with a later one.
 * `messages` says what to send when the answer goes from one to another; nothing, when they are the same.
 */
export async function streamAnswers<D extends DescMessage, T>(
  { world, metrics }: Source,
  answer: (world: World) => T,
  messages: (before: T | undefined, now: T) => readonly MessageInitShape<D>[],
): Promise<Feed<D>> {
  answer(await world.next());
  return (outlet) => {
    let sent: T | undefined;
    let latest: World | undefined;
    let blocked = false;
    const publish = (): void => {
      if (blocked || latest === undefined) return;
      try {
        const now = answer(latest);
        latest = undefined;
        const due = messages(sent, now);
        sent = now;
        for (const message of due) {
          metrics.sent.inc();
          blocked = !outlet.send(message) || blocked;
        }
      } catch (error) {
        outlet.end(GrpcFault.from(error));
      }
    };
    outlet.onRoom = () => {
      blocked = false;
      publish();
    };
    metrics.open.inc();
    const close: Close = world.each((next) => {
      latest = next;
      publish();
    });
    return () => {
      metrics.open.dec();
      close();
    };
  };
}

/** The messages of a stream on which each is the whole answer: the new one, unless it reads the same. */
export function whole<D extends DescMessage>(schema: D) {
  return (before: MessageShape<D> | undefined, now: MessageShape<D>): MessageShape<D>[] => {
    if (before === undefined) return [now];
    return Buffer.from(toBinary(schema, before)).equals(toBinary(schema, now)) ? [] : [now];
  };
}
