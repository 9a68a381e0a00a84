// The admin page of logging levels: which there are, and changing one while the process runs.

import { Fault } from "../base/fault.ts";
import type { HttpRsp } from "../io/message.ts";
import type { PageCall } from "./adminpages.ts";
import { json, text } from "./adminreply.ts";
import { levelName, setLevel } from "./levels.ts";

const LOGGERS = ["root", "linkerd", "linkerd::router", "linkerd::tracelog"];
const MAX_FORM_BYTES = 4096;

/** `[{"logger": "root", "level": "INFO"}, …]`; `logger` and `level`, in a form or the query, change one. */
export async function logging({ req, query, linkerd }: PageCall): Promise<HttpRsp> {
  const { log } = linkerd.linker;
  if (req.method === "POST") {
    const tooLarge = () => new Fault("bad-input", "the form is too large");
    const form = new URLSearchParams((await req.body.read(MAX_FORM_BYTES, tooLarge)).toString());
    const logger = form.get("logger") ?? query.get("logger");
    const level = form.get("level") ?? query.get("level") ?? "";
    if (logger === null || !LOGGERS.includes(logger || "root")) {
      return text(400, "no such logger\n");
    }
    if (!setLevel(log, moduleOf(logger), level)) return text(400, `no such level: ${level}\n`);
  }
  return json(LOGGERS.map((logger) => ({ logger, level: levelName(log, moduleOf(logger)) })));
}

function moduleOf(logger: string): string {
  return logger === "root" ? "" : logger;
}
