// The routes of a workload: those that it serves, when its service has a profile, and those that it calls, where
// "actual" counts what was sent and "effective" what came of it: they differ by the retries.

import type { Route, Target } from "../src/viz/live.ts";
import { ask } from "./api.ts";
import { rate } from "./format.ts";
import { usePolled } from "./polled.ts";
import { GOLDEN, GoldenCells, Head, Share } from "./table.tsx";

type Props = Target & { readonly side: "inbound" | "outbound" };

const REFRESH_MS = 5000;
const [SUCCESS, RATE, ...LATENCIES] = GOLDEN as [string, string, ...string[]];
const OUTBOUND = ["Effective success", "Effective req/s", "Actual success", "Actual req/s"];

export function Routes({ namespace, kind, name, side }: Props) {
  const query = { namespace, kind, name, side };
  const load = () => ask<readonly Route[]>("route-rows", query);
  const routes = usePolled(load, JSON.stringify(query), REFRESH_MS) ?? [];
  // Without a profile there is one route a service: everything, which the page shows already.
  if (routes.every(({ route }) => route === "[DEFAULT]")) return null;
  const isOut = side === "outbound";
  return (
    <section aria-labelledby={`routes-${side}`}>
      <h2 id={`routes-${side}`}>{isOut ? "Routes called" : "Routes"}</h2>
      <div class="scroll">
        <table>
          <Head
            left={["Route", "Service"]}
            right={[...(isOut ? OUTBOUND : [SUCCESS, RATE]), ...LATENCIES]}
          />
          <tbody>
            {routes.map((r) => (
              <tr key={`${r.service} ${r.route}`}>
                <td class="left path">{r.route}</td>
                <td class="left">{r.service}</td>
                <GoldenCells of={r}>
                  {isOut && <Share of={r.actualSuccess} />}
                  {isOut && <td>{rate(r.actualRps)}</td>}
                </GoldenCells>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
