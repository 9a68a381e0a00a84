// An endpoint: one address of a backend, the service that reaches it, and all that its balancer needs to know.
// Readiness lives here and nowhere else: breakers and connections shut and open an endpoint, its balancer hears
// of it, and no filter ever asks another one whether it is ready.

import type { Clock } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import type { Labels } from "../base/metrics.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { Exchange, type Watcher } from "./exchange.ts";
import { isGrpcFailure } from "./classify.ts";
import { DEFAULT_LOAD, Latency, type Load } from "./latency.ts";
import type { HttpService } from "./types.ts";

/** An address as discovery describes it. Weights count relative to those of the other addresses. */
export type Target = SocketAddr & { readonly weight: number; readonly labels: Labels };

/** Who shut an endpoint: its breaker (`broken`), or its connection, which cannot be made (`unreachable`). */
export type Reason = "broken" | "unreachable";

/** Why an endpoint is not ready. */
export type Outage = { readonly fault: Fault; readonly since: number };

/** The balancer of an endpoint, as far as the endpoint knows it. */
export interface Keeper {
  /** How many of its endpoints are ready. */
  readonly readyCount: number;
  /** An endpoint became ready, or no longer is. */
  changed(): void;
}

/** Called in place of failing when a request surely did not leave the proxy: sends it elsewhere. */
export type Again<Req, Rsp> = (req: Req, fault: Fault) => Promise<Rsp>;

export type EndpointOptions = {
  readonly clock: Clock;
  /** How its latency is estimated; `outstanding` balances by requests under way alone. */
  readonly load?: Load | "outstanding";
};

export abstract class Endpoint<Req = HttpReq, Rsp = HttpRsp, T extends Target = Target> {
  readonly target: T;
  readonly clock: Clock;
  readonly latency: Latency | undefined;
  ready: boolean;
  /** Requests under way: sent, and their response not yet at its end. */
  pending: number;
  broken: Outage | undefined;
  unreachable: Outage | undefined;
  /** Its weight divided by the mean of all; the balancer sets it. */
  share: number;
  keeper: Keeper | undefined;
  private closing: boolean;
  private readonly closers: (() => void)[];

  constructor(target: T, options: EndpointOptions) {
    const load = options.load ?? DEFAULT_LOAD;
    this.target = target;
    this.clock = options.clock;
    this.latency = load === "outstanding" ? undefined : new Latency(load, this.clock.now());
    this.ready = true;
    this.pending = 0;
    this.broken = undefined;
    this.unreachable = undefined;
    this.share = 1;
    this.keeper = undefined;
    this.closing = false;
    this.closers = [];
  }

  /** Sends one request or connection. `again` takes it over if it could not even leave. */
  abstract send(req: Req, now: number, again: Again<Req, Rsp>): Promise<Rsp>;

  /** What one more request would meet here: latency × requests under way, or just those; relative to its weight. */
  load(now: number): number {
    const outstanding = this.pending / this.share + 1;
    return this.latency === undefined ? outstanding : this.latency.cost(now) * outstanding;
  }

  /** Takes it out of use for `reason`, until `open` is called with the same one. */
  shut(reason: Reason, fault: Fault): void {
    this[reason] = { fault, since: this[reason]?.since ?? this.clock.now() };
    this.update();
  }

  open(reason: Reason): void {
    this[reason] = undefined;
    this.update();
  }

  /** What to do when it has been closed and its last request is over. */
  onClose(closer: () => void): void {
    this.closers.push(closer);
  }

  /** Discovery no longer has it, or its balancer closes: what is under way finishes, then it is gone. */
  close(): void {
    if (this.closing) return;
    this.closing = true;
    if (this.pending === 0) this.gone();
  }

  protected done(): void {
    this.pending -= 1;
    if (this.closing && this.pending === 0) this.gone();
  }

  private gone(): void {
    for (const closer of this.closers.splice(0)) closer();
  }

  private update(): void {
    const ready = this.broken === undefined && this.unreachable === undefined;
    if (ready === this.ready) return;
    this.ready = ready;
    this.keeper?.changed();
  }
}

/** An endpoint of HTTP requests. What watches it joins `watchers` when it is bound. */
export class HttpEndpoint<T extends Target = Target>
  extends Endpoint<HttpReq, HttpRsp, T>
  implements Watcher
{
  /** The filters of the endpoint and its connections; set once, when it is bound. */
  service: HttpService;
  readonly watchers: Watcher[];

  constructor(target: T, options: EndpointOptions & { readonly service?: HttpService }) {
    super(target, options);
    this.service = options.service ?? unbound;
    this.watchers = [this];
  }

  send(req: HttpReq, now: number, again: Again<HttpReq, HttpRsp>): Promise<HttpRsp> {
    const x = new Exchange(req, now, this.clock, this.watchers);
    // The filters below change the request for this endpoint; another one must get it as it came.
    const { headers, authority, scheme } = req;
    req.headers = headers.slice();
    req.endpoint = this;
    x.begin();
    return this.service(req).then(
      (rsp) => x.head(rsp),
      (thrown) => {
        const fault = x.fail(thrown);
        if (!neverLeft(fault, req)) throw fault;
        req.headers = headers;
        req.authority = authority;
        req.scheme = scheme;
        return again(req, fault);
      },
    );
  }

  begin(): void {
    this.pending += 1;
  }

  head(x: Exchange): void {
    const { latency } = this;
    if (latency === undefined) return;
    if (x.rsp!.status < 500) latency.succeeded(x.headAt - x.at, x.headAt);
    else latency.failed(x.headAt - x.at, x.headAt);
  }

  end(x: Exchange): void {
    const { latency } = this;
    if (latency !== undefined && !x.abandoned) {
      if (x.rsp === undefined) latency.failed(x.endAt - x.at, x.endAt);
      else if (asksForRest(x.rsp.status, x.grpcStatus)) latency.punish(x.rsp, x.endAt);
    }
    this.done();
  }
}

// Too many requests and server failures; of gRPC's, all but permission denied.
function asksForRest(status: number, grpcStatus: number | undefined): boolean {
  if (status === 429 || status >= 500) return true;
  return (
    grpcStatus !== undefined &&
    (grpcStatus === 8 || (grpcStatus !== 7 && isGrpcFailure(grpcStatus)))
  );
}

// Only a failed connect is safe whatever the body; else a part of a streaming one may be gone.
function neverLeft(fault: Fault, req: HttpReq): boolean {
  if (!fault.retryable || req.cancelled !== undefined) return false;
  if (fault.code === "connect-failed" || fault.code === "connect-timeout") return true;
  return fault.side === "upstream" && req.body.whole !== undefined;
}

const unbound: HttpService = () => Promise.reject(new Error("endpoint without a service"));
