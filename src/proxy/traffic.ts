// The listeners of a sidecar and what serves them: what each of its threads does. The first one has the admin pages and
// the tap server as well.

import type { Conn, ConnService } from "../io/conn.ts";
import type { HttpService } from "../stack/types.ts";
import { gateway } from "./gateway.ts";
import { serveProxy } from "./httpproxy.ts";
import { InboundServer } from "./inboundserver.ts";
import { bindListeners, type Addrs, type Listeners } from "./listeners.ts";
import { OutboundServer } from "./outboundserver.ts";
import type { Sidecar } from "./sidecar.ts";

export type TrafficOptions = {
  /** The proxy's own pages; without them no admin server. */
  readonly pages: HttpService | undefined;
  readonly tap: ConnService | undefined;
  /** Lets traffic in; what comes before waits, but for the pages. */
  readonly admitted: Promise<unknown>;
  /** Whether other threads listen on the same ports. */
  readonly shared: boolean;
};

/** What the admin page shows. */
export type TrafficReport = {
  readonly connections: number;
  readonly outbound: readonly unknown[];
  readonly inbound: readonly unknown[];
};

export class Traffic {
  readonly #sidecar: Sidecar;
  readonly #outbound: OutboundServer;
  readonly #inbound: InboundServer;
  readonly #options: TrafficOptions;
  #listeners: Listeners | undefined;
  #admitted = false;

  constructor(sidecar: Sidecar, options: TrafficOptions) {
    const none: HttpService = () => Promise.reject(new Error("no pages here"));
    this.#sidecar = sidecar;
    this.#options = options;
    this.#outbound = new OutboundServer(sidecar);
    const through = gateway(sidecar, this.#outbound);
    this.#inbound = new InboundServer(sidecar, options.pages ?? none, through);
    void options.admitted.then(() => (this.#admitted = true));
  }

  /** Binds all listeners. Rejects when one cannot be had, after closing the sidecar's scope. */
  async open(): Promise<Addrs> {
    const { pages, tap, admitted, shared } = this.#options;
    const { serving, settings, scope } = this.#sidecar;
    this.#inbound.watchPorts();
    const servers = {
      inbound: this.#inbound.accept,
      outbound: this.#outbound.accept,
      httpProxy: serveProxy(this.#sidecar, this.#outbound),
      admin: pages && this.#inbound.acceptOwn,
      tap,
    };
    // The kernel accepts from the start; what comes before we have an identity waits, but for the admin pages.
    const accept = (conn: Conn, serve: ConnService): void => {
      const now = this.#admitted || serve === servers.admin;
      void serving.track(conn, now ? serve(conn) : admitted.then(() => serve(conn)));
    };
    try {
      this.#listeners = await bindListeners(settings, servers, accept, shared);
    } catch (error) {
      await scope.close();
      throw error;
    }
    return this.#listeners.addrs;
  }

  report(): TrafficReport {
    return {
      connections: this.#sidecar.serving.size,
      outbound: this.#outbound.report(),
      inbound: this.#inbound.report(),
    };
  }

  /** Stops accepting and lets what is under way finish within the grace period. */
  drain(): Promise<void> {
    const { serving, settings, clock } = this.#sidecar;
    this.#listeners?.close();
    return serving.drain(settings.admin.gracePeriodMs, clock);
  }
}
