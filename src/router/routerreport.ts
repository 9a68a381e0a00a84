// What the dashboard shows of routers beside their metrics: servers, services with their retries, clients with their
// balancers, and each endpoint with the state of its breaker.

import { printDtab } from "../name/dtab.ts";
import { printAddr } from "../stack/normalize.ts";
import { knowledgeReport } from "./knowledgepage.ts";
import type { Linkerd } from "./linkerd.ts";
import type { RouterClient } from "./routerclient.ts";

/** All routers of a process. */
export function routersReport(linkerd: Linkerd): unknown {
  const now = linkerd.linker.clock.now();
  return {
    applied: linkerd.applied,
    file: linkerd.options.file,
    silent: knowledgeReport(linkerd.knowledge, linkerd.linker.clock).filter(
      ({ state }) => state === "failed",
    ),
    routers: linkerd.generation.routers.map(({ config, bound }) => ({
      label: config.label,
      protocol: config.protocol,
      dtab: printDtab(config.dtab).split(";").filter(Boolean),
      interpreter: config.interpreter.kind,
      servers: linkerd.servers
        .filter(({ served }) => served.label === config.label)
        .map(({ served, addr }) => ({ name: served.name, address: printAddr(addr) })),
      services: bound.caches.services().map(({ name, dtab, pending, error }) => ({
        name: name.text,
        dtab: dtab.text,
        pending,
        error,
      })),
      clients: bound.caches.clients().map((client) => clientReport(client, now)),
    })),
  };
}

function clientReport(client: RouterClient, now: number): unknown {
  const { id, settings, balancer, discovery, changedAt, staleMs } = client;
  return {
    id,
    balancer: settings.loadBalancer.kind,
    accrual: settings.failureAccrual.kind,
    tls: settings.tls?.enabled === true,
    discovery: discovery.kind,
    changedAt,
    staleMs,
    error: discovery.kind === "failed" ? discovery.fault.message : undefined,
    endpoints: [...balancer.endpoints.values()].map((endpoint) => {
      const { target, ready, pending, broken, unreachable } = endpoint;
      const outage = broken ?? unreachable;
      return {
        address: printAddr(target),
        weight: target.weight,
        ready,
        pending,
        load: Math.round(endpoint.load(now) * 100) / 100,
        state: broken ? "broken" : unreachable ? "unreachable" : "ready",
        why: outage?.fault.message,
        sinceMs: outage && Math.round(now - outage.since),
      };
    }),
  };
}
