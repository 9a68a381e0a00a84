// The verb `linkerd viz profile`: a ServiceProfile with a route for each call that is seen for a while.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapEvent_ProxyDirection as Direction } from "../../proto/gen/viz/viz_tap_pb.js";
import { printMethod } from "../viz/calls.ts";
import { order } from "../viz/stat.ts";
import { command } from "./command.ts";
import { count, duration, oneOf, optional } from "./flag.ts";
import { printObjects } from "./manifestfiles.ts";
import { findMesh } from "./mesh.ts";
import { namespace, namespaceOf, oneResource, resourceIn, serviceName } from "./vizflags.ts";

export const vizProfile = command({
  name: "profile",
  summary: "Print a ServiceProfile with the routes that are in use",
  usage: "SERVICE --tap RESOURCE",
  examples: [
    [
      "What web is asked for in ten seconds",
      "viz profile web-svc --tap deploy/web --tap-duration 10s",
    ],
  ],
  args: [1, 1],
  offers: "service",
  flags: {
    namespace,
    tap: optional("RESOURCE", "Whose requests to look at, for example deploy/web", {
      offers: "resource",
    }),
    tapDuration: duration("5s", "How long to look"),
    tapRouteLimit: count("N", 20, "Most routes to find"),
    output: oneOf(["yaml", "json"], "Format of the manifest", { short: "o" }),
  },
  run: async ({ args, flags, globals, terminal }) => {
    if (flags.tap === undefined)
      throw new Fault("bad-input", "--tap names whose requests to look at, for example deploy/web");
    const target = oneResource([flags.tap], "profile");
    const mesh = await findMesh(globals, terminal.env);
    const ns = namespaceOf(flags, mesh);
    const routes = new Routes();
    const scope = terminal.scope.child();
    const timer = systemClock.after(flags.tapDuration, () => void scope.close());
    const look = (event: TapEvent): void => {
      routes.see(event);
      if (routes.size >= flags.tapRouteLimit) void scope.close();
    };
    const request = { target: { resource: resourceIn(ns, target) }, maxRps: MAX_RPS };
    await mesh.tap(request, look, scope).finally(() => timer.cancel());
    const name = `${serviceName(args[0]!)}.${ns}.svc.${await mesh.clusterDomain()}`;
    terminal.print(printObjects([routes.profile(name, ns)], flags.output));
  },
});

const MAX_RPS = 100;

/** Routes by name, from the requests that arrive. */
export class Routes {
  readonly #found = new Map<string, { method: string; path: string }>();

  get size(): number {
    return this.#found.size;
  }

  /** Takes note of a request; what is sent elsewhere is no route of the service. */
  see(event: TapEvent): void {
    const step = event.event.value?.event;
    if (event.proxyDirection !== Direction.INBOUND || step?.case !== "requestInit") return;
    const method = printMethod(step.value.method);
    const path = step.value.path.split("?")[0]!;
    this.#found.set(`${method} ${path}`, { method, path });
  }

  profile(name: string, namespace: string): object {
    const routes = [...this.#found].sort(([a], [b]) => order(a, b));
    return {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceProfile",
      metadata: { name, namespace },
      spec: {
        routes: routes.map(([route, { method, path }]) => ({
          name: route,
          condition: { method, pathRegex: path.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") },
        })),
      },
    };
  }
}
