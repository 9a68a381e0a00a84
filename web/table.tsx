// What tables of the dashboards have in common: heads, and the cells of golden metrics.

import type { ComponentChildren } from "preact";
import type { Golden } from "../src/viz/live.ts";
import { health, millis, percent, rate } from "./format.ts";
import { Sparkline } from "./sparkline.tsx";

/** The titles of what `GoldenCells` shows. */
export const GOLDEN = ["Success", "Requests/s", "P50", "P95", "P99"];

type HeadProps = { readonly left: readonly string[]; readonly right: readonly string[] };

/** Names stand left, numbers right. */
export function Head({ left, right }: HeadProps) {
  return (
    <thead>
      <tr>
        {left.map((title) => (
          <th key={title} class="left">
            {title}
          </th>
        ))}
        {right.map((title) => (
          <th key={title}>{title}</th>
        ))}
      </tr>
    </thead>
  );
}

/** A success share, in the colour of how good it is. */
export function Share({ of }: { readonly of: number | null }) {
  return <td class={`share ${health(of)}`}>{percent(of)}</td>;
}

type GoldenProps = {
  readonly of: Golden;
  /** The recent past of the rate, and what that is of. */
  readonly past?: { readonly values: readonly number[]; readonly label: string };
  /** Cells between rate and latencies. */
  readonly children?: ComponentChildren;
};

/** Success, rate and latencies. */
export function GoldenCells({ of, past, children }: GoldenProps) {
  return (
    <>
      <Share of={of.success} />
      <td>
        <Rate rps={of.rps} past={past} />
      </td>
      {children}
      <td>{millis(of.p50)}</td>
      <td>{millis(of.p95)}</td>
      <td>{millis(of.p99)}</td>
    </>
  );
}

type RateProps = { readonly rps: number | null; readonly past: GoldenProps["past"] };

/** Requests a second, and their recent past when that is known. */
export function Rate({ rps, past }: RateProps) {
  return (
    <span class="rate">
      {past && past.values.length > 1 && <Sparkline {...past} />}
      <span>{rate(rps)}</span>
    </span>
  );
}
