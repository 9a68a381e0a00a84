// A proxy of ours as a process, configured by its environment as in a pod.

import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const PROGRAM = join(import.meta.dirname, "../../bin/linkerd.mjs");

/** Its process, and what it printed last. */
export class Proxy {
  readonly child: ChildProcess;
  readonly #ip: string;
  output = "";

  constructor(child: ChildProcess, ip: string) {
    this.child = child;
    this.#ip = ip;
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output = (this.output + text).slice(-65_536);
      });
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until its admin page says so; rejects with what it printed when it does not within a minute. */
  async ready(): Promise<void> {
    const until = performance.now() + 60_000;
    while (!(await isReady(this.#ip))) {
      if (!this.running || performance.now() > until)
        throw new Error(`the proxy at ${this.#ip} does not get ready:\n${this.output}`);
      await sleep(20);
    }
  }

  /** Ends it at once, or with SIGTERM, when it may finish what is under way. */
  async stop(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (!this.running) return;
    const gone = new Promise((resolve) => this.child.once("exit", resolve));
    this.child.kill(signal);
    await gone;
  }
}

/** Starts one for the workload at `ip`, with what `variables` say of its control plane; `flags` are V8's. */
export function startProxy(
  ip: string,
  variables: Record<string, string>,
  flags: readonly string[] = [],
): Proxy {
  const env = {
    PATH: process.env["PATH"],
    HOME: process.env["HOME"],
    LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `${ip}:4143`,
    LINKERD2_PROXY_CONTROL_LISTEN_ADDR: `${ip}:4190`,
    LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `${ip}:4191`,
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: `${ip}:4140`,
    LINKERD_PROXY_INBOUND_ORIGINAL_IP: ip,
    // It ends with this process, however that ends.
    LINKERD_PROXY_PARENT_FD: "3",
    ...variables,
  };
  const stdio = ["ignore", "pipe", "pipe", "pipe"] as const;
  const words = [...flags, PROGRAM, "proxy"];
  return new Proxy(spawn(process.execPath, words, { env, stdio: [...stdio] }), ip);
}

function isReady(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host, port: 4191 }, () =>
      socket.write("GET /ready HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"),
    );
    socket.setEncoding("latin1").on("data", (part: string) => (text += part));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text.startsWith("HTTP/1.1 200")));
  });
}
