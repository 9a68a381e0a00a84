// The routes of a workload: those that it serves, when its service has a profile, and those that it calls, where
// "actual" counts what was sent and "effective" what came of it: they differ by the retries.

import { useEffect, useState } from "preact/hooks";
import type { Route } from "./api.ts";
import { ask } from "./api.ts";
import { health, millis, percent, rate } from "./format.ts";

type Props = { readonly namespace: string; readonly kind: string; readonly name: string };

export function Routes({ side, ...target }: Props & { readonly side: "inbound" | "outbound" }) {
  const [routes, setRoutes] = useState<readonly Route[]>([]);
  const key = `${target.kind}/${target.namespace}/${target.name}`;
  useEffect(() => {
    let open = true;
    const load = (): void => {
      ask<readonly Route[]>("route-rows", { ...target, side }).then(
        (value) => open && setRoutes(value),
        () => {},
      );
    };
    setRoutes([]);
    load();
    const timer = setInterval(load, 5000);
    return () => {
      open = false;
      clearInterval(timer);
    };
  }, [key]);
  // Without a profile there is one route a service: everything, which the page shows already.
  if (routes.every(({ route }) => route === "[DEFAULT]")) return null;
  const isOut = side === "outbound";
  return (
    <section aria-labelledby={`routes-${side}`}>
      <h2 id={`routes-${side}`}>{isOut ? "Routes called" : "Routes"}</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th class="left plain">Route</th>
              <th class="left plain">Service</th>
              <th class="plain">{isOut ? "Effective success" : "Success"}</th>
              <th class="plain">{isOut ? "Effective req/s" : "Requests/s"}</th>
              {isOut && <th class="plain">Actual success</th>}
              {isOut && <th class="plain">Actual req/s</th>}
              <th class="plain">P50</th>
              <th class="plain">P95</th>
              <th class="plain">P99</th>
            </tr>
          </thead>
          <tbody>
            {routes.map((r) => (
              <tr key={`${r.service} ${r.route}`}>
                <td class="left path">{r.route}</td>
                <td class="left">{r.service}</td>
                <td class={`share ${health(r.success)}`}>{percent(r.success)}</td>
                <td>{rate(r.rps)}</td>
                {isOut && (
                  <td class={`share ${health(r.actualSuccess)}`}>{percent(r.actualSuccess)}</td>
                )}
                {isOut && <td>{rate(r.actualRps)}</td>}
                <td>{millis(r.p50)}</td>
                <td>{millis(r.p95)}</td>
                <td>{millis(r.p99)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
