// The admin page of logging levels: which there are, and changing one while the process runs.

import { Fault } from "../base/fault.ts";
import { type Log, parseLogFilter } from "../base/log.ts";
import type { HttpRsp } from "../io/message.ts";
import { header } from "../wire/headers.ts";
import type { PageCall } from "./adminpages.ts";
import { json, text } from "./adminreply.ts";

/** Linkerd 1's levels by ours, from `off` (0) to `trace` (5). */
const LEVELS = ["OFF", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE"];
const WORDS = ["off", "error", "warn", "info", "debug", "trace"];
const ALIASES: Readonly<Record<string, string>> = {
  ALL: "TRACE",
  CRITICAL: "ERROR",
  FATAL: "ERROR",
};
const LOGGERS = ["", "linkerd", "linkerd::router", "linkerd::tracelog"];
const MAX_FORM_BYTES = 4096;

/** `[{"logger": "", "level": "INFO"}, …]`; a form with `logger` and `level` changes one. */
export async function logging({ req, linkerd }: PageCall): Promise<HttpRsp> {
  const { log } = linkerd.linker;
  if (req.method === "POST") {
    if (
      !(header(req.headers, "content-type") ?? "").startsWith("application/x-www-form-urlencoded")
    ) {
      return text(415, "send a form with logger and level\n");
    }
    const tooLarge = () => new Fault("bad-input", "the form is too large");
    const form = new URLSearchParams((await req.body.read(MAX_FORM_BYTES, tooLarge)).toString());
    const logger = form.get("logger");
    const level = form.get("level") ?? "";
    if (logger === null || !LOGGERS.includes(logger)) return text(400, "no such logger\n");
    if (!setLevel(log, logger, level)) return text(400, `no such level: ${level}\n`);
  }
  return json(LOGGERS.map((logger) => ({ logger, level: levelOf(log, logger) })));
}

/** Sets the level of a logger, in Linkerd 1's words; false when there is no such level. */
export function setLevel(log: Log, logger: string, level: string): boolean {
  const upper = level.toUpperCase();
  const word = WORDS[LEVELS.indexOf(ALIASES[upper] ?? upper)];
  if (word === undefined) return false;
  const others = log.filter
    .split(",")
    .filter((part) => part.trim() !== "" && moduleOf(part) !== logger);
  log.filter = [...others, logger === "" ? word : `${logger}=${word}`].join(",");
  return true;
}

function levelOf(log: Log, logger: string): string {
  let best = { module: "", level: 1 };
  for (const directive of parseLogFilter(log.filter)) {
    if (logger.startsWith(directive.module) && directive.module.length >= best.module.length) {
      best = directive;
    }
  }
  return LEVELS[best.level]!;
}

function moduleOf(directive: string): string {
  const at = directive.lastIndexOf("=");
  return at < 0 ? "" : directive.slice(0, at).trim();
}
