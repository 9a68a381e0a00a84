// The admin port of a program of the control plane: its probes, its metrics, what it logs and what it knows.

import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import type { Close } from "../base/watch.ts";
import type { SocketAddr } from "../io/conn.ts";
import { serveH1 } from "../io/h1server.ts";
import { listen } from "../io/listen.ts";
import { admin } from "../proxy/admin.ts";
import { measureProcess } from "../proxy/processmetrics.ts";
import { Serving } from "../proxy/serving.ts";

export type AdminPortOptions = {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Default: from the start. */
  readonly ready?: () => boolean;
  /** What `/state.json` shows. */
  readonly state?: () => object;
};

/** Serves it until closed. Rejects when the address cannot be had. */
export async function serveAdmin(addr: SocketAddr, options: AdminPortOptions): Promise<Close> {
  const { registry, clock, ready = () => true, state = () => ({}) } = options;
  measureProcess(registry, clock);
  const pages = admin({ env: {}, registry, log, ready, shutdown: undefined, state });
  const serving = new Serving();
  const listening = await listen(addr, {}, (conn) => {
    void serving.track(conn, serving.serve(serveH1(conn, pages, { clock })));
  });
  return () => {
    listening.close();
    void serving.drain(0, clock);
  };
}
