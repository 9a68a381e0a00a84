// The access log of a sidecar on standard error, for the direction that it is asked for.

import { AccessLog } from "../stack/accesslog.ts";
import { observe } from "../stack/exchange.ts";
import type { HttpFilter } from "../stack/types.ts";
import type { Sidecar } from "./sidecar.ts";

/** The filter that writes it, above all else, since it tells what the client got; none where nobody wants it. */
export function accessLog(
  { settings, clock }: Sidecar,
  direction: "inbound" | "outbound",
): HttpFilter[] {
  const format = direction === "inbound" ? settings.log.access : settings.own.outboundAccessLog;
  if (format !== "apache" && format !== "json") return [];
  const write = (line: string): void => void process.stderr.write(`${line}\n`);
  return [observe(clock, [new AccessLog({ direction, format, clock, write })])];
}
