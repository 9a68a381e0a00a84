// The page of one workload: its past, its neighbours, its routes, and its calls as they happen.

import type { Call, Id, Live, Target } from "../src/viz/live.ts";
import { CallsTable } from "./callstable.tsx";
import { Charts } from "./charts.tsx";
import { Back } from "./icons.tsx";
import { LiveCalls } from "./livecalls.tsx";
import type { Place } from "./place.ts";
import { namespaceAddress } from "./place.ts";
import { Routes } from "./routes.tsx";
import { Summary } from "./summary.tsx";
import { Topology } from "./topology.tsx";

type Props = { readonly live: Live; readonly place: Place };

export function WorkloadPage({ live, place: { namespace, kind, name } }: Props) {
  const id = `${kind}/${namespace}/${name}`;
  const workload = live.workloads.find((w) => w.id === id);
  const calls = live.calls.filter(({ src, dst }) => src === id || dst === id);
  const near = new Set([id, ...calls.flatMap(({ src, dst }) => [src, dst])]);
  const back = (
    <a class="back" href={namespaceAddress(namespace)}>
      <Back /> {namespace}
    </a>
  );
  if (!workload) {
    return (
      <>
        {back}
        <p class="empty">
          There is no {kind} “{name}” in {namespace} now.
        </p>
      </>
    );
  }
  return (
    <>
      {back}
      <h1>
        <span class="kind">{kind}</span>
        {name}
      </h1>
      <Summary workloads={[workload]} calls={calls} />
      {calls.length > 0 && (
        <section aria-labelledby="neighbours">
          <h2 id="neighbours">Neighbours</h2>
          <Topology
            workloads={live.workloads.filter((w) => near.has(w.id))}
            calls={calls}
            at={live.at}
            focus={undefined}
            onFocus={() => {}}
          />
        </section>
      )}
      {workload.pods.meshed > 0 ? (
        <Proxied id={id} calls={calls} target={{ namespace, kind, name }} />
      ) : (
        <p class="empty">
          It has no proxy, which would see its calls: <code>linkerd inject</code> gives it one.
        </p>
      )}
    </>
  );
}

type ProxiedProps = {
  readonly id: Id;
  readonly calls: readonly Call[];
  readonly target: Target;
};

// What its own proxies know.
function Proxied({ id, calls, target }: ProxiedProps) {
  return (
    <>
      <Charts {...target} />
      <section aria-labelledby="inbound">
        <h2 id="inbound">Inbound</h2>
        <CallsTable
          calls={calls.filter(({ dst }) => dst === id)}
          caption={`Calls of ${target.name}`}
          side="src"
        />
      </section>
      <section aria-labelledby="outbound">
        <h2 id="outbound">Outbound</h2>
        <CallsTable
          calls={calls.filter(({ src }) => src === id)}
          caption={`Calls that ${target.name} makes`}
          side="dst"
        />
      </section>
      <Routes {...target} side="inbound" />
      <Routes {...target} side="outbound" />
      <LiveCalls {...target} />
    </>
  );
}
