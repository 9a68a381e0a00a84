// Linkerd 1's access log: a line of the combined format for each request of a router, those that could not be routed
// as well.

import type { Clock } from "../base/clock.ts";
import type { Logger } from "../base/log.ts";
import type { Exchange, Watcher } from "../stack/exchange.ts";
import { header } from "../wire/headers.ts";
import { LogFile } from "./logfile.ts";
import type { RequestRouterConfig } from "./routerconfig.ts";

/** Versions as logs and spans have them. */
export const VERSIONS = { 10: "HTTP/1.0", 11: "HTTP/1.1", 20: "HTTP/2" } as const;

/** The access log of a router; undefined when its file wants none. */
export function accessLogOf(
  config: RequestRouterConfig,
  clock: Clock,
  logger: Logger,
): (Watcher & { close(): void }) | undefined {
  const [path, policy, append, keep] =
    config.protocol === "http"
      ? [
          config.httpAccessLog,
          config.httpAccessLogRollPolicy,
          config.httpAccessLogAppend,
          config.httpAccessLogRotateCount,
        ]
      : [
          config.h2AccessLog,
          config.h2AccessLogRollPolicy,
          config.h2AccessLogAppend,
          config.h2AccessLogRotateCount,
        ];
  if (path === undefined) return undefined;
  const file = new LogFile({ path, policy, append, keep, clock, logger });
  return {
    begin() {},
    head() {},
    end: (x) => file.write(lineOf(x, clock)),
    close: () => void file.close(),
  };
}

// HOST REMOTE - - [dd/MM/yyyy:HH:mm:ss Z] "METHOD URI HTTP/1.1" STATUS LENGTH "REFERER" "UA"
function lineOf(x: Exchange, clock: Clock): string {
  const { req, rsp } = x;
  const field = (name: string): string => printable(header(req.headers, name) ?? "-");
  const length = req.version === 20 ? "-" : (rsp?.body.bytes ?? 0);
  const line = `${req.method} ${printable(req.path)} ${VERSIONS[req.version]}`;
  return (
    `${printable(req.authority || "-")} ${req.peer.remote.ip} - - ` +
    `[${printTime(clock.wall() - (x.endAt - x.at))}] "${line}" ${rsp?.status ?? 0} ${length} ` +
    `"${field("referer")}" "${field("user-agent")}"`
  );
}

function printTime(wallMs: number): string {
  const [day, time] = new Date(wallMs).toISOString().split("T") as [string, string];
  const [year, month, date] = day.split("-");
  return `${date}/${month}/${year}:${time.slice(0, 8)} +0000`;
}

// What a client sent must not end the field, or the line.
function printable(text: string): string {
  return text.replace(
    /["\\]|\p{Cc}/gu,
    (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
