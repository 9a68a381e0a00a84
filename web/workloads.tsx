// The table of workloads with their golden metrics. Headers sort; rows lead to the workload's own page.

import { useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import type { Id, Workload } from "../src/viz/live.ts";
import { health, isPartly, millis, NONE, percent, shortKind } from "./format.ts";
import { addressOf, namespaceAddress } from "./place.ts";
import { Rate } from "./table.tsx";

type Column = {
  readonly title: string;
  readonly align?: "left";
  readonly sort: (w: Workload) => number | string;
  readonly cell: (w: Workload, minutes: number) => ComponentChildren;
};

const number = (value: number | null): number => value ?? -1;

const COLUMNS: readonly Column[] = [
  {
    title: "Namespace",
    align: "left",
    sort: (w) => w.namespace,
    cell: (w) => <a href={namespaceAddress(w.namespace)}>{w.namespace}</a>,
  },
  {
    title: "Workload",
    align: "left",
    sort: (w) => w.name,
    cell: (w) => (
      <a class="name" href={addressOf(w.id)}>
        <span class="kind">{shortKind(w.kind)}</span>
        {w.name}
      </a>
    ),
  },
  {
    title: "Meshed",
    sort: (w) => w.pods.meshed / Math.max(1, w.pods.total),
    cell: ({ pods }) => (
      <span
        class={pods.failed > 0 ? "bad" : pods.meshed === 0 ? "muted" : isPartly(pods) ? "fair" : ""}
      >
        {pods.meshed}/{pods.total}
      </span>
    ),
  },
  {
    title: "Success",
    sort: (w) => number(w.success),
    cell: (w) => (
      <span class={`share ${health(w.success)}`}>
        {percent(w.success)}
        <meter min={0} max={1} value={w.success ?? 0} aria-hidden="true" />
      </span>
    ),
  },
  {
    title: "Requests/s",
    sort: (w) => number(w.rps),
    cell: (w, minutes) => (
      <Rate
        rps={w.rps}
        past={{
          values: w.rate,
          label: `Requests a second of ${w.name} in the last ${minutes} minutes`,
        }}
      />
    ),
  },
  { title: "P50", sort: (w) => number(w.p50), cell: (w) => millis(w.p50) },
  { title: "P95", sort: (w) => number(w.p95), cell: (w) => millis(w.p95) },
  { title: "P99", sort: (w) => number(w.p99), cell: (w) => millis(w.p99) },
  { title: "Connections", sort: (w) => number(w.open), cell: (w) => w.open ?? NONE },
];

type Props = {
  readonly workloads: readonly Workload[];
  readonly stepMs: number;
  readonly focus: Id | undefined;
  readonly onFocus: (id: Id | undefined) => void;
};

export function Workloads({ workloads, stepMs, focus, onFocus }: Props) {
  const [order, setOrder] = useState({ by: 0, down: false });
  const { sort } = COLUMNS[order.by]!;
  const rows = [...workloads].sort((a, b) => {
    const [x, y] = [sort(a), sort(b)];
    return (x < y ? -1 : x > y ? 1 : a.id < b.id ? -1 : 1) * (order.down ? -1 : 1);
  });
  return (
    <div class="scroll">
      <table>
        <caption class="unseen">Workloads and their golden metrics</caption>
        <thead>
          <tr>
            {COLUMNS.map(({ title, align }, i) => (
              <th
                key={title}
                scope="col"
                class={align}
                aria-sort={order.by === i ? (order.down ? "descending" : "ascending") : "none"}
              >
                <button
                  type="button"
                  onClick={() => setOrder({ by: i, down: order.by === i && !order.down })}
                >
                  {title}
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((w) => (
            <tr
              key={w.id}
              class={focus === w.id ? "on" : undefined}
              onMouseEnter={() => onFocus(w.id)}
              onMouseLeave={() => onFocus(undefined)}
            >
              {COLUMNS.map(({ title, align, cell }) => (
                <td key={title} class={align}>
                  {cell(w, Math.round((w.rate.length * stepMs) / 60_000))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
