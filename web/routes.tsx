// The routes of a workload, when its service has a profile.

import { useEffect, useState } from "preact/hooks";
import type { Route } from "./api.ts";
import { ask } from "./api.ts";
import { health, millis, percent, rate } from "./format.ts";

type Props = { readonly namespace: string; readonly kind: string; readonly name: string };

export function Routes(target: Props) {
  const [routes, setRoutes] = useState<readonly Route[]>([]);
  const key = `${target.kind}/${target.namespace}/${target.name}`;
  useEffect(() => {
    let open = true;
    const load = (): void => {
      ask<readonly Route[]>("route-rows", target).then(
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
  // Without a profile there is one route: everything, which the page shows already.
  if (routes.length < 2) return null;
  return (
    <section aria-labelledby="routes">
      <h2 id="routes">Routes</h2>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th class="left plain">Route</th>
              <th class="left plain">Service</th>
              <th class="plain">Success</th>
              <th class="plain">Requests/s</th>
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
