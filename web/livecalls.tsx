// The calls of one workload as they happen. It taps the proxies only while the reader wants.

import { useState } from "preact/hooks";
import type { Target } from "../src/viz/live.ts";
import type { CallGroup } from "./calls.ts";
import { peerOf, useCalls } from "./calls.ts";
import { millis } from "./format.ts";
import { useRefusal } from "./maytap.ts";
import { Head, Share } from "./table.tsx";

export function LiveCalls({ namespace, kind, name }: Target) {
  const [on, setOn] = useState(false);
  const target = { namespace, resource: `${kind}/${name}` };
  const refusal = useRefusal(target);
  const { groups, complaint } = useCalls(on ? target : undefined);
  return (
    <section aria-labelledby="calls">
      <h2 id="calls">Live calls</h2>
      {refusal === "" && (
        <button type="button" class="switch" aria-pressed={on} onClick={() => setOn(!on)}>
          {on ? "Stop" : "Watch calls"}
        </button>
      )}
      {refusal && <p class="empty">The dashboard may not show calls here. {refusal}.</p>}
      {complaint && <p class="complaint">{complaint}</p>}
      {on && groups.length === 0 && !complaint && <p class="empty">Waiting for calls…</p>}
      {groups.length > 0 && <CallGroups groups={groups} both={false} />}
    </section>
  );
}

type GroupsProps = { readonly groups: readonly CallGroup[]; readonly both: boolean };

/** Calls added up; `both` shows both ends, else the one that is not tapped. */
export function CallGroups({ groups, both }: GroupsProps) {
  const left = ["Direction", ...(both ? ["From", "To"] : ["Peer"]), "Method", "Path"];
  return (
    <div class="scroll">
      <table>
        <Head left={left} right={["Count", "Best", "Worst", "Last", "Success"]} />
        <tbody>
          {groups.map(({ key, call, count, good, best, worst, last }) => (
            <tr key={key}>
              <td class="left">{call.direction === "inbound" ? "← in" : "→ out"}</td>
              {both ? (
                <>
                  <td class="left">{call.source}</td>
                  <td class="left">{call.destination}</td>
                </>
              ) : (
                <td class="left">{peerOf(call)}</td>
              )}
              <td class="left">{call.method}</td>
              <td class="left path">{call.path}</td>
              <td>{count}</td>
              <td>{millis(best)}</td>
              <td>{millis(worst)}</td>
              <td>{millis(last)}</td>
              <Share of={good / count} />
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
