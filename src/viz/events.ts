// Server-sent events (HTML Living Standard §9.2) as a response of our own HTTP services.

import type { Close } from "../base/watch.ts";
import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";

/** Sends a value as JSON; dropped while the reader is slow, because a newer one follows. */
type Send = (value: unknown, event?: string) => void;

/** A stream that `start` feeds until the reader goes away. */
export function eventStream(start: (send: Send) => Close): HttpRsp {
  const headers = ["content-type", "text/event-stream", "cache-control", "no-store"];
  return streamed(headers, (push) =>
    start((value, event) => {
      const name = event ? `event: ${event}\n` : "";
      push(Buffer.from(`${name}data: ${JSON.stringify(value)}\n\n`));
    }),
  );
}

/** A response whose body `start` pushes; what it returns is called once when the reader has gone. */
export function streamed(
  headers: readonly string[],
  start: (push: (bytes: Buffer) => void) => Close,
): HttpRsp {
  let room = true;
  let isOver = false;
  let close: Close | undefined;
  const cancel = (): void => {
    if (isOver) return;
    isOver = true;
    close?.();
  };
  const body = Body.stream({ resume: () => (room = true), cancel });
  close = start((bytes) => {
    if (room && !isOver) room = body.push(bytes);
  });
  // It may have gone meanwhile.
  if (isOver) close();
  return new HttpRsp(200, [...headers], body);
}
