// Connecting to an endpoint that may be down. `connect` wraps a dial: when it fails, the endpoint is unreachable and
// its balancer leaves it alone, while it is dialled again in the background with growing pauses; the connection
// that succeeds opens it and is the next one that is asked for. So no request pays for finding out that an address
// is back. `Multiplexed` keeps the one HTTP/2 connection of an endpoint; HTTP/1 pools take the dial as it is.

import { type Backoff, delays, exponential } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Random } from "../base/random.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import type { Endpoint } from "./endpoint.ts";
import type { HttpService } from "./types.ts";

export type Dial<C> = () => Promise<C>;

export type ConnectOptions<C> = {
  readonly clock: Clock;
  readonly random: Random;
  /** Pauses between attempts. Default: Linkerd's, 100 ms to 60 s with jitter 0.1. */
  readonly backoff?: Backoff;
  /** Whether a connection that waited unused can no longer be used. */
  readonly isClosed: (connection: C) => boolean;
  /** Closes a connection that nobody wants any more. */
  readonly close: (connection: C) => void;
};

const RECONNECT: Backoff = exponential(100, 60_000, 0.1);

/** The dial of `endpoint`, which shuts and opens it. */
export class Connector<C> {
  /** Gives a new connection, or the one that brought the endpoint back. */
  readonly dial: Dial<C>;
  private readonly options: ConnectOptions<C>;
  private readonly endpoint: Pick<Endpoint<never, never>, "shut" | "open" | "onClose">;
  private readonly raw: Dial<C>;
  private readonly pauses: ReturnType<typeof delays>;
  private spare: C | undefined;
  private timer: Timer | undefined;
  private closed: boolean;

  constructor(
    endpoint: Pick<Endpoint<never, never>, "shut" | "open" | "onClose">,
    dial: Dial<C>,
    options: ConnectOptions<C>,
  ) {
    this.options = options;
    this.endpoint = endpoint;
    this.raw = dial;
    this.pauses = delays(options.backoff ?? RECONNECT, options.random);
    this.spare = undefined;
    this.timer = undefined;
    this.closed = false;
    this.dial = () => this.connect();
    endpoint.onClose(() => this.close());
  }

  private connect(): Promise<C> {
    const { spare } = this;
    this.spare = undefined;
    if (spare !== undefined && !this.options.isClosed(spare)) return Promise.resolve(spare);
    return this.raw().catch((thrown: unknown) => {
      const fault = Fault.from(thrown, "connect-failed");
      this.failed(fault);
      throw fault;
    });
  }

  private failed(fault: Fault): void {
    if (this.closed) return;
    this.endpoint.shut("unreachable", fault);
    // Several dials may fail together; one background attempt is enough.
    this.timer ??= this.options.clock.after(this.pauses.next(), () => void this.redial());
  }

  private async redial(): Promise<void> {
    try {
      const connection = await this.raw();
      if (this.closed) return this.options.close(connection);
      this.spare = connection;
      this.timer = undefined;
      this.pauses.reset();
      this.endpoint.open("unreachable");
    } catch (thrown) {
      this.timer = undefined;
      this.failed(Fault.from(thrown, "connect-failed"));
    }
  }

  private close(): void {
    this.closed = true;
    this.timer?.cancel();
    if (this.spare !== undefined) this.options.close(this.spare);
  }
}

/** A client of one HTTP/2 connection, as io has it. */
export interface HttpClient {
  request(req: HttpReq): Promise<HttpRsp>;
  /** It takes no more requests, because the server said so. */
  readonly draining: boolean;
  /** Why the connection is gone. */
  readonly fault: Fault | undefined;
  /** Lets what is under way finish, then closes the connection. */
  close(): void;
}

/** Sends all requests over one client, dialled when first needed and again when it has closed. */
export class Multiplexed {
  readonly service: HttpService;
  private readonly dial: Dial<HttpClient>;
  private client: HttpClient | undefined;
  private dialling: Promise<HttpClient> | undefined;

  constructor(dial: Dial<HttpClient>) {
    this.dial = dial;
    this.client = undefined;
    this.dialling = undefined;
    this.service = (req) => {
      const { client } = this;
      if (client === undefined || client.draining || client.fault !== undefined)
        return this.later(req);
      return client.request(req);
    };
  }

  close(): void {
    this.client?.close();
    this.dialling?.then((client) => client.close()).catch(() => {});
  }

  private later(req: HttpReq): Promise<HttpRsp> {
    this.dialling ??= this.dial()
      .then((client) => (this.client = client))
      .finally(() => (this.dialling = undefined));
    const { dialling } = this;
    return new Promise((resolve, reject) => {
      req.onCancel = reject;
      dialling.then((client) => {
        if (req.cancelled === undefined) resolve(client.request(req));
      }, reject);
    });
  }
}
