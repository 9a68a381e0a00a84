// `admin.httpIdentifierPort`: a port that answers every request with the names that the routers would give it, and does
// nothing else with it.

import type { HttpService } from "../stack/types.ts";
import { header } from "../wire/headers.ts";
import { json } from "./adminreply.ts";
import type { Linkerd } from "./linkerd.ts";

/** `{"<router>": {"path": "/svc/web", "dtab": "…"}}`, or an `error` in place of the path. */
export function identifyOnly(linkerd: Linkerd): HttpService {
  return function identifyOnly(req) {
    req.body.discard();
    const found: Record<string, unknown> = {};
    const dtab = header(req.headers, "l5d-dtab") ?? "";
    const asked = req.path;
    for (const { config, identifier } of linkerd.generation.routers) {
      if (config.protocol !== "http") continue;
      const name = identifier.identify(req);
      // An identifier may have consumed a part of it.
      req.path = asked;
      found[config.label] = typeof name === "string" ? { error: name } : { path: name.text, dtab };
    }
    return Promise.resolve(json(found));
  };
}
