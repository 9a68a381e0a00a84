// The first page: figures in short, who calls whom, and every workload.

import { useState } from "preact/hooks";
import type { Id, Live } from "../src/viz/live.ts";
import { CallsTable } from "./callstable.tsx";
import { Summary } from "./summary.tsx";
import { Topology } from "./topology.tsx";
import { Workloads } from "./workloads.tsx";

type Props = { readonly live: Live; readonly namespace: string };

export function Overview({ live, namespace }: Props) {
  const [focus, setFocus] = useState<Id | undefined>(undefined);
  const [isUnfolded, setUnfolded] = useState(false);
  const workloads = live.workloads.filter((w) => namespace === "" || w.namespace === namespace);
  const ids = new Set(workloads.map((w) => w.id));
  const calls = live.calls.filter(({ src, dst }) => ids.has(src) || ids.has(dst));
  if (workloads.length === 0)
    return <p class="empty">There are no workloads {namespace && `in “${namespace}” `}now.</p>;
  const called = new Set(calls.flatMap(({ src, dst }) => [src, dst]));
  const seen = workloads.filter((w) => w.pods.meshed > 0 || called.has(w.id));
  const apart = workloads.length - seen.length;
  return (
    <>
      <h1 class="unseen">{namespace || "All namespaces"}</h1>
      <Summary workloads={workloads} calls={calls} />
      <section aria-labelledby="topology">
        <h2 id="topology">Who calls whom</h2>
        {seen.length === 0 ? (
          <p class="empty">Nothing here has a proxy, so nobody knows.</p>
        ) : (
          <>
            <Topology
              workloads={seen}
              calls={calls}
              at={live.at}
              focus={focus}
              onFocus={setFocus}
            />
            {apart > 0 && (
              <p class="aside">
                {apart === 1 ? "One workload" : `${apart} workloads`} without a proxy, which no
                proxy is seen to call, {apart === 1 ? "is" : "are"} in the table only.
              </p>
            )}
            {/* What is folded is not drawn: a large mesh has thousands of calls. */}
            <details onToggle={({ currentTarget }) => setUnfolded(currentTarget.open)}>
              <summary>As a table</summary>
              {isUnfolded && <CallsTable calls={calls} caption="Calls between workloads" />}
            </details>
          </>
        )}
      </section>
      <section aria-labelledby="workloads">
        <h2 id="workloads">Workloads</h2>
        <Workloads workloads={workloads} stepMs={live.stepMs} focus={focus} onFocus={setFocus} />
      </section>
    </>
  );
}
