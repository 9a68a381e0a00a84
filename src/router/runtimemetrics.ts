// The metrics under `jvm/`, which dashboards of Linkerd 1 look at: there is no JVM here, but a process with a heap.

import type { Clock } from "../base/clock.ts";
import type { MetricScope } from "./metrictree.ts";

/** Adds `jvm/uptime` and its like; they are worked out when somebody asks. */
export function measureRuntime(root: MetricScope, clock: Clock): void {
  const jvm = root.at("jvm");
  const startedAt = clock.wall();
  jvm.gauge(() => clock.wall() - startedAt, "uptime");
  jvm.gauge(() => startedAt, "start_time");
  jvm.gauge(() => process.memoryUsage().heapUsed, "heap", "used");
  jvm.gauge(() => process.memoryUsage().heapTotal, "heap", "committed");
  jvm.gauge(() => process.memoryUsage.rss(), "mem", "current", "used");
  jvm.gauge(() => 1, "thread", "count");
  jvm.gauge(() => process.cpuUsage().user / 1e6, "process_cpu_user_seconds");
  jvm.gauge(() => process.cpuUsage().system / 1e6, "process_cpu_system_seconds");
}
