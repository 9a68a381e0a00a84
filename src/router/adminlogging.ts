// The admin page of logging levels: which there are, and changing one while the process runs.

import { Fault } from "../base/fault.ts";
import type { HttpRsp } from "../io/message.ts";
import { header } from "../wire/headers.ts";
import type { PageCall } from "./adminpages.ts";
import { json, text } from "./adminreply.ts";
import { levelName, setLevel } from "./levels.ts";

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
  return json(LOGGERS.map((logger) => ({ logger, level: levelName(log, logger) })));
}
