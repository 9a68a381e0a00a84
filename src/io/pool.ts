// The HTTP/1 connections to one endpoint. The one used last is used next, so that no more stay open than the traffic
// needs and the others reach their idle time; a request that finds none dials.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Http1Limits } from "../wire/limits.ts";
import type { Conn } from "./conn.ts";
import { H1Client } from "./h1client.ts";
import type { HttpReq, HttpRsp, HttpService } from "./message.ts";

export type H1PoolOptions = {
  readonly clock: Clock;
  /** Connections that wait unused; more are closed. Default 10,000, as linkerd2-proxy. */
  readonly maxIdle?: number;
  /** Open connections that stay however long they are idle. Default 0. */
  readonly minOpen?: number;
  /** How long one waits unused before it is closed. Default 3 s, as linkerd2-proxy. */
  readonly idleTimeoutMs?: number;
  /** How old a connection may be that waits unused. Default: no limit. */
  readonly lifeTimeMs?: number;
  readonly limits?: Http1Limits;
};

const MAX_IDLE = 10_000;
const IDLE_TIMEOUT_MS = 3000;

export class H1Pool {
  /** Sends a request over one of the connections. */
  readonly service: HttpService;
  /** Open connections, with and without a request. */
  open: number;
  private readonly dial: () => Promise<Conn>;
  private readonly options: H1PoolOptions;
  private readonly maxIdle: number;
  private readonly idleTimeoutMs: number;
  private readonly idle: H1Client[];
  private readonly onReady: (client: H1Client) => void;
  private readonly onClosed: (client: H1Client) => void;
  private timer: Timer | undefined;
  private closed: boolean;

  /** Nothing is dialled before the first request. */
  constructor(dial: () => Promise<Conn>, options: H1PoolOptions) {
    this.service = (req) => {
      let client = this.idle.pop();
      // One that its server is just closing has not been forgotten yet.
      while (client !== undefined && !client.ready) client = this.idle.pop();
      return client === undefined ? this.dialled(req) : client.request(req);
    };
    this.open = 0;
    this.dial = dial;
    this.options = options;
    this.maxIdle = options.maxIdle ?? MAX_IDLE;
    this.idleTimeoutMs = options.idleTimeoutMs ?? IDLE_TIMEOUT_MS;
    this.idle = [];
    this.onReady = (client) => this.keep(client);
    this.onClosed = (client) => this.forget(client);
    this.timer = undefined;
    this.closed = false;
  }

  /** Closes idle connections now and the others when their responses have ended. */
  close(): void {
    this.closed = true;
    this.timer?.cancel();
    for (const client of this.idle.splice(0)) client.close();
  }

  private async dialled(req: HttpReq): Promise<HttpRsp> {
    if (this.closed) throw new Fault("closed", "the endpoint is closed", { side: "proxy" });
    const conn = await this.dial();
    const client = new H1Client(conn, this.options.limits);
    client.bornAt = this.options.clock.now();
    this.open++;
    client.onReady = this.onReady;
    client.onClosed = this.onClosed;
    if (req.cancelled !== undefined) {
      this.keep(client);
      throw req.cancelled;
    }
    return client.request(req);
  }

  private keep(client: H1Client): void {
    if (this.closed || this.idle.length >= this.maxIdle) return client.close();
    const now = this.options.clock.now();
    if (now - client.bornAt > (this.options.lifeTimeMs ?? Infinity)) return client.close();
    this.idle.push(client);
    client.idleAt = now;
    this.timer ??= this.options.clock.after(this.idleTimeoutMs, () => this.sweep());
  }

  private forget(client: H1Client): void {
    this.open--;
    const at = this.idle.lastIndexOf(client);
    if (at >= 0) this.idle.splice(at, 1);
  }

  // The oldest stand first.
  private sweep(): void {
    const { idle } = this;
    const since = this.options.clock.now() - this.idleTimeoutMs;
    let expired = 0;
    while (expired < idle.length && idle[expired]!.idleAt <= since) expired++;
    expired = Math.min(expired, Math.max(0, this.open - (this.options.minOpen ?? 0)));
    for (const client of idle.splice(0, expired)) client.close();
    const oldest = idle[0];
    if (oldest === undefined) this.timer = undefined;
    else {
      // What stays although its time is over is looked at again when another one's may be.
      const waitMs = oldest.idleAt > since ? oldest.idleAt - since : this.idleTimeoutMs;
      this.timer = this.options.clock.after(waitMs, () => this.sweep());
    }
  }
}
