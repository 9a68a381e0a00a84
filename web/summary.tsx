// The strip of figures above everything: how the mesh, or a part of it, is doing in one glance.

import type { Call, Workload } from "../src/viz/live.ts";
import { Figure } from "./figure.tsx";
import { health, isPartly, millis, NONE, percent, rate } from "./format.ts";

type Props = { readonly workloads: readonly Workload[]; readonly calls: readonly Call[] };

export function Summary({ workloads, calls }: Props) {
  const busy = workloads.filter((w) => w.rps !== null && w.success !== null);
  const rps = busy.reduce((sum, w) => sum + w.rps!, 0);
  const success = rps > 0 ? busy.reduce((sum, w) => sum + w.rps! * w.success!, 0) / rps : null;
  const slowest = busy.reduce<Workload | undefined>(
    (a, w) => ((w.p99 ?? 0) > (a?.p99 ?? -1) ? w : a),
    undefined,
  );
  const pods = workloads.reduce((sum, w) => sum + w.pods.total, 0);
  const meshed = workloads.reduce((sum, w) => sum + w.pods.meshed, 0);
  const inside = calls.filter(
    (call) => !call.src.startsWith("outside/") && (call.rps !== null || call.open > 0),
  );
  const locked = inside.filter((call) => call.security === "mutual").length;
  return (
    <dl class="summary">
      <Figure title="Success" value={percent(success)} state={health(success)} />
      <Figure title="Requests a second" value={rate(busy.length > 0 ? rps : null)} />
      <Figure title="Slowest P99" value={millis(slowest?.p99 ?? null)} note={slowest?.name} />
      <Figure
        title="Pods in the mesh"
        value={`${meshed} of ${pods}`}
        state={workloads.some((w) => isPartly(w.pods)) ? "fair" : undefined}
      />
      <Figure
        title="Mutual TLS"
        value={inside.length === 0 ? NONE : `${locked} of ${inside.length}`}
        note={
          inside.length === 0
            ? undefined
            : locked === inside.length
              ? "every call between workloads"
              : "calls between workloads"
        }
        state={locked < inside.length ? "fair" : undefined}
      />
    </dl>
  );
}
