// What every Prometheus client says of its process, and of a proxy, which build it is.

import { readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import type { Registry } from "../base/metrics.ts";

/** Adds `proxy_build_info`. */
export function nameBuild(registry: Registry, version: string): void {
  registry
    .gauge("proxy_build_info", "Proxy build info")
    .with({ version, vendor: "linkerd-ts", git_sha: "", profile: "release", date: "" })
    .set(1);
}

/** Adds `process_*`, which are worked out when the page is printed. */
export function measureProcess(registry: Registry, clock: Clock): void {
  const gauge = (name: string, help: string) => registry.gauge(name, help).with({});
  const cpu = registry
    .counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.")
    .with({});
  const resident = gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
  const virtual = gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
  const fds = gauge("process_open_fds", "Number of open file descriptors.");
  const started = gauge("process_start_time_seconds", "Time that the process started.");
  started.set(clock.wall() / 1000 - process.uptime());
  registry.beforePrint(() => {
    const { user, system } = process.cpuUsage();
    cpu.value = (user + system) / 1e6;
    resident.set(process.memoryUsage.rss());
    if (process.platform !== "linux") return;
    virtual.set(Number(readFileSync("/proc/self/statm", "utf8").split(" ")[0]) * 4096);
    fds.set(readdirSync("/proc/self/fd").length);
  });
}
