// Calls as they happen, in and out, grouped by what they ask for. It taps the proxies only while the reader wants.

import { useEffect, useState } from "preact/hooks";
import type { TapCall } from "./api.ts";
import { stream } from "./api.ts";
import { health, millis, percent } from "./format.ts";

type Props = { readonly namespace: string; readonly kind: string; readonly name: string };

type Group = {
  readonly key: string;
  readonly call: TapCall;
  count: number;
  good: number;
  best: number;
  worst: number;
  last: number;
};

// The rows that changed last; what is older than these is out of sight anyway.
const MOST_ROWS = 60;

export function LiveCalls({ namespace, kind, name }: Props) {
  const [on, setOn] = useState(false);
  const [groups, setGroups] = useState<readonly Group[]>([]);
  const [complaint, setComplaint] = useState("");
  useEffect(() => {
    if (!on) return;
    const all = new Map<string, Group>();
    setComplaint("");
    const close = stream<TapCall>(
      "tap",
      { namespace, resource: `${kind}/${name}` },
      (call) => add(all, call),
      (_, why) => why && setComplaint(why),
    );
    // Redrawn a few times a second, however many calls there are.
    const timer = setInterval(() => setGroups([...all.values()].slice(-MOST_ROWS).reverse()), 400);
    return () => {
      clearInterval(timer);
      close();
    };
  }, [on, namespace, kind, name]);
  return (
    <section aria-labelledby="calls">
      <h2 id="calls">Live calls</h2>
      <button type="button" class="switch" aria-pressed={on} onClick={() => setOn(!on)}>
        {on ? "Stop" : "Watch calls"}
      </button>
      {complaint && <p class="complaint">{complaint}</p>}
      {on && groups.length === 0 && !complaint && <p class="empty">Waiting for calls…</p>}
      {groups.length > 0 && (
        <div class="scroll">
          <table>
            <thead>
              <tr>
                {["Direction", "Peer", "Method", "Path"].map((title) => (
                  <th key={title} class="left plain">
                    {title}
                  </th>
                ))}
                {["Count", "Best", "Worst", "Last", "Success"].map((title) => (
                  <th key={title} class="plain">
                    {title}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {groups.map(({ key, call, count, good, best, worst, last }) => (
                <tr key={key}>
                  <td class="left">{call.direction === "inbound" ? "← in" : "→ out"}</td>
                  <td class="left">
                    {call.direction === "inbound" ? call.source : call.destination}
                  </td>
                  <td class="left">{call.method}</td>
                  <td class="left path">{call.path}</td>
                  <td>{count}</td>
                  <td>{millis(best)}</td>
                  <td>{millis(worst)}</td>
                  <td>{millis(last)}</td>
                  <td class={`share ${health(good / count)}`}>{percent(good / count)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function add(all: Map<string, Group>, call: TapCall): void {
  const peer = call.direction === "inbound" ? call.source : call.destination;
  const path = call.path.split("?")[0]!;
  const key = [call.direction, peer, call.method, path].join(" ");
  const group = all.get(key) ?? {
    key,
    call: { ...call, path },
    count: 0,
    good: 0,
    best: Infinity,
    worst: 0,
    last: 0,
  };
  group.count++;
  if (call.ok) group.good++;
  group.best = Math.min(group.best, call.latencyMs);
  group.worst = Math.max(group.worst, call.latencyMs);
  group.last = call.latencyMs;
  all.set(key, group);
}
