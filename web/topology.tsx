// Who calls whom: boxes for workloads, lines for calls with their rate, success and a lock where it is mutual TLS.

import { useMemo } from "preact/hooks";
import type { Call, Id, Workload } from "../src/viz/live.ts";
import { partsOf } from "./api.ts";
import { busiest } from "./busiest.ts";
import { health, percent, rate, shortKind } from "./format.ts";
import { edgeKey, NODE, place, type Point } from "./layout.ts";
import { addressOf } from "./place.ts";

type Props = {
  readonly workloads: readonly Workload[];
  readonly calls: readonly Call[];
  /** When the figures were taken, in milliseconds. */
  readonly at: number;
  /** The workload in whose middle the reader is; the rest steps back. */
  readonly focus: Id | undefined;
  readonly onFocus: (id: Id | undefined) => void;
};

export function Topology({ workloads, calls, at, focus, onFocus }: Props) {
  const { boxes, lines, left, placed } = usePicture(workloads, calls, at);
  const byId = new Map(workloads.map((w) => [w.id, w]));
  const isNear = (id: Id): boolean =>
    id === focus ||
    lines.some(({ src, dst }) => (src === focus && dst === id) || (dst === focus && src === id));
  const { width, height } = placed;
  return (
    <div class="topology">
      <svg
        viewBox={`0 0 ${width} ${height}`}
        width={width}
        height={height}
        style={{ minWidth: width * LEAST_SCALE }}
        role="group"
        aria-label="Who calls whom"
      >
        <defs>
          {["good", "fair", "bad", "idle"].map((state) => (
            <Tip key={state} state={state} />
          ))}
        </defs>
        {lines.map((call) => {
          const key = edgeKey(call.src, call.dst);
          const isDim = focus !== undefined && call.src !== focus && call.dst !== focus;
          return <Line key={key} call={call} {...placed.edges.get(key)!} dim={isDim} />;
        })}
        {boxes.map((id) => (
          <Box
            key={id}
            id={id}
            workload={byId.get(id)}
            at={placed.nodes.get(id)!}
            dim={focus !== undefined && !isNear(id)}
            onFocus={onFocus}
          />
        ))}
      </svg>
      {left > 0 && (
        <p class="aside">
          The busiest {boxes.length} of {boxes.length + left} are drawn: the tables have all, and
          the page of a namespace or of a workload draws its own.
        </p>
      )}
    </div>
  );
}

/** Where the page is narrower, the picture shrinks as far as names can be read; then it scrolls. */
const LEAST_SCALE = 0.7;
/** How long a choice stands, so that the picture of a large mesh does not move while figures change. */
const CHOICE_MS = 30_000;

// What is drawn, and where. It is laid out anew only when something comes or goes.
function usePicture(workloads: readonly Workload[], calls: readonly Call[], at: number) {
  const links = calls.filter(({ src, dst }) => src !== dst);
  const everything = keyOf(
    workloads.map(({ id }) => id),
    links.map(({ src, dst }) => edgeKey(src, dst)),
  );
  const turn = Math.floor(at / CHOICE_MS);
  const chosen = useMemo(() => busiest(workloads, links), [everything, turn]);
  const { boxes } = chosen;
  const lines = links.filter(({ src, dst }) => chosen.lines.has(edgeKey(src, dst)));
  const placed = useMemo(() => place(boxes, lines), [keyOf(boxes, [...chosen.lines])]);
  return { boxes, lines, left: chosen.all - boxes.length, placed };
}

const keyOf = (...parts: readonly (readonly string[])[]): string =>
  parts.flatMap((names) => names.toSorted()).join("\n");

function Tip({ state }: { readonly state: string }) {
  return (
    <marker
      id={`tip-${state}`}
      class={`tip ${state}`}
      viewBox="0 0 8 8"
      refX="7"
      markerUnits="userSpaceOnUse"
      refY="4"
      markerWidth="9"
      markerHeight="9"
      orient="auto"
    >
      <path d="M0 .8 7 4 0 7.2Z" />
    </marker>
  );
}

type LineProps = {
  readonly call: Call;
  readonly path: string;
  readonly label: Point;
  readonly dim: boolean;
};

function Line({ call, path, label: { x, y }, dim }: LineProps) {
  const state = health(call.success);
  const isLocked = call.security === "mutual";
  const text =
    call.rps === null
      ? `${call.open} tcp`
      : `${rate(call.rps)}/s  ${call.success === 1 ? "100" : ((call.success ?? 0) * 100).toFixed(1)}%`;
  return (
    <g class={`call ${state}${dim ? " dim" : ""}`}>
      <title>{describe(call)}</title>
      <path
        class="call-line"
        d={path}
        marker-end={`url(#tip-${state})`}
        stroke-width={width(call.rps)}
      />
      {call.rps ? <path class="call-flow" d={path} /> : null}
      <g transform={`translate(${x - 58} ${y - 12})`}>
        <rect class="call-label" width="116" height="24" rx="12" />
        <g class={isLocked ? "lock on" : "lock"} transform="translate(10 5.5) scale(.8)">
          <rect x="3.2" y="7" width="9.6" height="6.6" rx="1.6" />
          <path
            d={isLocked ? "M5.2 7V5.2a2.8 2.8 0 0 1 5.6 0V7" : "M5.2 7V5.2a2.8 2.8 0 0 1 5.4-1"}
          />
        </g>
        <text x="67" y="16" text-anchor="middle">
          {text}
        </text>
      </g>
    </g>
  );
}

// Wider for more, by the logarithm: a hundred times the rate is three times the line.
function width(rps: number | null): number {
  return 1.25 + Math.min(3, Math.log10(1 + (rps ?? 0)));
}

const SECURITY = {
  mutual: "mutual TLS",
  none: "not encrypted by the mesh",
  mixed: "partly mutual TLS",
};

function describe({ src, dst, rps, success, open, security }: Call): string {
  const traffic =
    rps === null
      ? `${open} connections`
      : `${rate(rps)} requests a second, ${percent(success)} succeed`;
  return `${partsOf(src).name} calls ${partsOf(dst).name}: ${traffic}, ${SECURITY[security]}`;
}

type BoxProps = {
  readonly id: Id;
  readonly workload: Workload | undefined;
  readonly at: Point;
  readonly dim: boolean;
  readonly onFocus: (id: Id | undefined) => void;
};

function Box({ id, workload, at: { x, y }, dim, onFocus }: BoxProps) {
  const { kind, name } = partsOf(id);
  const state = health(workload?.success ?? null);
  const meshed = workload !== undefined && workload.pods.meshed > 0;
  const under = workload
    ? workload.rps === null
      ? shortKind(kind)
      : `${rate(workload.rps)}/s · ${percent(workload.success)}`
    : kind === "outside"
      ? "no proxy"
      : shortKind(kind);
  const box = (
    <g
      class={`node ${state}${dim ? " dim" : ""}${meshed ? "" : " plain"}`}
      transform={`translate(${x - NODE.width / 2} ${y - NODE.height / 2})`}
    >
      <title>{name}</title>
      <rect width={NODE.width} height={NODE.height} rx="10" />
      <circle class="pulse" cx="18" cy={NODE.height / 2} r="4.5" />
      <text class="node-name" x="34" y="25">
        {clip(name, 17)}
      </text>
      <text class="node-under" x="34" y="43">
        {under}
      </text>
    </g>
  );
  if (!workload) return box;
  const focus = {
    onFocus: () => onFocus(id),
    onBlur: () => onFocus(undefined),
    onMouseEnter: () => onFocus(id),
    onMouseLeave: () => onFocus(undefined),
  };
  return (
    <a href={addressOf(id)} aria-label={`${name}, ${kind}: ${under}`} {...focus}>
      {box}
    </a>
  );
}

function clip(name: string, most: number): string {
  return name.length > most ? `${name.slice(0, most - 1)}…` : name;
}
