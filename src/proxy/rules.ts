// Choosing the rule of a request where routes come from two worlds: those of policies, which stack/route.ts
// sorts, and those of ServiceProfiles, whose first match wins and whose matches may be any formula.

import { byRoute, pathOf } from "../stack/route.ts";
import type { HttpService } from "../stack/types.ts";
import type { HttpRoute, HttpRule } from "./policy.ts";
import { compileWants } from "./profile.ts";

/** Sends each request to the service of its rule. */
export function byRule(
  routes: readonly HttpRoute[],
  bind: (rule: HttpRule, route: HttpRoute) => HttpService,
): HttpService {
  const [only] = routes;
  if (!only?.rules.some(({ profile }) => profile)) {
    return byRoute(routes, (rule, route) => bind(rule as HttpRule, route as HttpRoute));
  }
  const choices = only.rules.map((rule) => ({
    wants: rule.profile && compileWants(rule.profile),
    service: bind(rule, only),
  }));
  const rest = choices.at(-1)!.service;
  return function byRule(req) {
    const path = pathOf(req);
    for (const { wants, service } of choices) {
      if (wants?.(req.method, path)) return service(req);
    }
    return rest(req);
  };
}
