// `admin.httpIdentifierPort`: a port that answers every request with the names that the routers would give it, and does
// nothing else with it.

import { Fault } from "../base/fault.ts";
import type { HttpRsp } from "../io/message.ts";
import { printDtab } from "../name/dtab.ts";
import type { HttpService } from "../stack/types.ts";
import { header, type Headers } from "../wire/headers.ts";
import { json, text } from "./adminreply.ts";
import type { Linkerd } from "./linkerd.ts";
import { type LocalDtab, localDtab } from "./localdtab.ts";

/** `{"<router>": {"path": "/svc/web", "dtab": "…"}}`, the rules that would hold for it, or an `error` in their place. */
export function identifyOnly(linkerd: Linkerd): HttpService {
  return function identifyOnly(req) {
    req.body.discard();
    const local = dtabOf(req.headers);
    if ("status" in local) return Promise.resolve(local);
    const found: Record<string, unknown> = {};
    const asked = req.path;
    for (const { config, identifier } of linkerd.generation.routers) {
      if (config.protocol !== "http") continue;
      const name = identifier.identify(req);
      // An identifier may have consumed a part of it.
      req.path = asked;
      const dtab = printDtab([...config.dtab, ...local.dtab]);
      found[config.label] = typeof name === "string" ? { error: name } : { path: name.text, dtab };
    }
    return Promise.resolve(json(found));
  };
}

function dtabOf(headers: Headers): LocalDtab | HttpRsp {
  try {
    return localDtab(header(headers, "l5d-dtab") ?? "");
  } catch (thrown) {
    return text(400, `${Fault.from(thrown).message}\n`);
  }
}
