// The last ten minutes of a workload: requests a second, success, latency.

import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { History, Target } from "../src/viz/live.ts";
import { ask } from "./api.ts";
import { usePolled } from "./polled.ts";

const REFRESH_MS = 5000;

export function Charts({ namespace, kind, name }: Target) {
  const target = { namespace, kind, name };
  const load = () => ask<History>("history", target);
  const history = usePolled(load, JSON.stringify(target), REFRESH_MS);
  if (!history) return null;
  return (
    <section class="charts" aria-label="The last ten minutes">
      <Chart title="Requests a second" at={history.at} series={[["all", history.rps]]} least={1} />
      <Chart
        title="Success, %"
        at={history.at}
        series={[["share", history.success.map((v) => v && v * 100)]]}
        least={100}
        most={100}
      />
      <Chart
        title="Latency, ms"
        at={history.at}
        series={[
          ["P50", history.p50],
          ["P95", history.p95],
          ["P99", history.p99],
        ]}
        least={5}
      />
    </section>
  );
}

type ChartProps = {
  readonly title: string;
  readonly at: readonly number[];
  readonly series: readonly (readonly [name: string, values: readonly (number | null)[]])[];
  /** The scale reaches from 0 to this at least, and to `most` at most. */
  readonly least: number;
  readonly most?: number;
};

function Chart({ title, at, series, least, most }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(
        options(
          box.current!,
          series.map(([name]) => name),
          least,
          most,
        ),
        [[]],
        box.current!,
      );
      plot.current.setData(dataOf(at, series));
    };
    draw();
    const resize = new ResizeObserver(() =>
      plot.current?.setSize({ width: box.current!.clientWidth, height: HEIGHT }),
    );
    resize.observe(box.current!);
    addEventListener("themechange", draw);
    return () => {
      resize.disconnect();
      removeEventListener("themechange", draw);
      plot.current?.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(dataOf(at, series)), [at]);
  const last = series
    .map(([name, values]) => `${name} ${values.at(-1)?.toFixed(1) ?? "none"}`)
    .join(", ");
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <div ref={box} role="img" aria-label={`${title}, last: ${last}`} />
    </figure>
  );
}

const HEIGHT = 150;

function dataOf(at: readonly number[], series: ChartProps["series"]): uPlot.AlignedData {
  return [at as number[], ...series.map(([, values]) => values as (number | null)[])];
}

function options(
  box: HTMLElement,
  names: readonly string[],
  least: number,
  most?: number,
): uPlot.Options {
  // A canvas knows no variables: what one stands for now is a computed colour.
  const colour = (name: string): string => {
    box.style.color = `var(${name})`;
    return getComputedStyle(box).color;
  };
  const axis = {
    stroke: colour("--muted"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif",
  };
  const strokes = ["--accent", "--fair", "--bad"].map(colour);
  return {
    width: box.clientWidth || 320,
    height: HEIGHT,
    cursor: { y: false },
    legend: { show: names.length > 1, live: false },
    scales: {
      x: { time: true },
      y: { range: (_, __, max) => [0, most ?? Math.max(least, max * 1.15)] },
    },
    axes: [
      { ...axis, space: 70, values: (_, times) => times.map(clockTime) },
      { ...axis, size: 42, space: 34 },
    ],
    series: [
      {},
      ...names.map((label, i) => ({
        label,
        stroke: strokes[i]!,
        width: 1.6,
        points: { show: false },
        ...(names.length === 1 && { fill: strokes[0]!.replace(/^rgb\((.*)\)$/, "rgba($1, 0.13)") }),
      })),
    ],
  };
}

function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}
