// The first page: figures in short, who calls whom, and every workload.

import { useState } from "preact/hooks";
import type { Id, Live } from "./api.ts";
import { CallsTable } from "./callstable.tsx";
import { Summary } from "./summary.tsx";
import { Topology } from "./topology.tsx";
import { Workloads } from "./workloads.tsx";

type Props = { readonly live: Live; readonly namespace: string };

export function Overview({ live, namespace }: Props) {
  const [focus, setFocus] = useState<Id | undefined>(undefined);
  const workloads = live.workloads.filter((w) => namespace === "" || w.namespace === namespace);
  const ids = new Set(workloads.map((w) => w.id));
  const calls = live.calls.filter(({ src, dst }) => ids.has(src) || ids.has(dst));
  return (
    <>
      <h1 class="unseen">{namespace || "All namespaces"}</h1>
      <Summary workloads={workloads} calls={calls} />
      <section aria-labelledby="topology">
        <h2 id="topology">Who calls whom</h2>
        <Topology workloads={workloads} calls={calls} focus={focus} onFocus={setFocus} />
        <details>
          <summary>As a table</summary>
          <CallsTable calls={calls} caption="Calls between workloads" />
        </details>
      </section>
      <section aria-labelledby="workloads">
        <h2 id="workloads">Workloads</h2>
        <Workloads workloads={workloads} stepMs={live.stepMs} focus={focus} onFocus={setFocus} />
      </section>
    </>
  );
}
