// Server-sent events (HTML Living Standard §9.2) as a response of our own HTTP services.

import type { Close } from "../base/watch.ts";
import type { Origin } from "../io/body.ts";
import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";

export type EventSink = {
  /** Sends a value as JSON; dropped while the reader is slow, because a newer one follows. */
  readonly send: (value: unknown, event?: string) => void;
  /** Ends the stream. */
  readonly end: () => void;
};

/** A stream that `start` feeds until the reader goes away or it ends. */
export function eventStream(start: (sink: EventSink) => Close): HttpRsp {
  return streamed(["content-type", "text/event-stream", "cache-control", "no-store"], (push, end) =>
    start({
      send: (value, event) => {
        const name = event ? `event: ${event}\n` : "";
        push(Buffer.from(`${name}data: ${JSON.stringify(value)}\n\n`));
      },
      end,
    }),
  );
}

/** A response whose body `start` pushes; what it returns is called once when the reader has gone. */
export function streamed(
  headers: readonly string[],
  start: (push: (bytes: Buffer) => void, end: () => void) => Close,
): HttpRsp {
  let room = true;
  let close: Close | undefined;
  let isOver = false;
  const over = (): void => {
    if (isOver) return;
    isOver = true;
    close?.();
  };
  const origin: Origin = { resume: () => (room = true), cancel: over };
  const body = Body.stream(origin);
  const push = (bytes: Buffer): void => {
    if (room && !isOver) room = body.push(bytes);
  };
  const end = (): void => {
    if (!isOver) body.finish();
    over();
  };
  const rsp = new HttpRsp(200, [...headers], body);
  close = start(push, end);
  if (isOver) close();
  return rsp;
}
