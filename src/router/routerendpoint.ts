// An address as an endpoint of a router's client: its dial with TLS, its connections, its accrual, and the words with
// which Linkerd 1 tells that an endpoint was taken out of use.

import { exponential } from "../base/backoff.ts";
import type { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import type { H2Client } from "../io/h2client.ts";
import { H1Pool } from "../io/pool.ts";
import { Breaker } from "../stack/breaker.ts";
import { bulkhead } from "../stack/bulkhead.ts";
import { Connector, Multiplexed, type Dial } from "../stack/connect.ts";
import { HttpEndpoint, type Reason } from "../stack/endpoint.ts";
import type { Load } from "../stack/latency.ts";
import { printAddr } from "../stack/normalize.ts";
import { stack, type HttpFilter, type HttpService } from "../stack/types.ts";
import { accrualOf } from "./accruals.ts";
import { asAuthority } from "./asauthority.ts";
import type { EndpointAddress } from "./addresses.ts";
import { h2OptionsOf } from "./h2settings.ts";
import type { MetricScope } from "./metrictree.ts";
import type { RouterClient } from "./routerclient.ts";
import { dialAddress } from "./routerdial.ts";
import type { RouterParts } from "./routerparts.ts";
import { ScopeConns } from "./scopeconns.ts";
import { tunnel } from "./tunnel.ts";

export type EndpointParts = RouterParts & {
  readonly client: RouterClient;
  readonly load: Load | "outstanding";
};

const FOREVER_MS = 2 ** 31 - 1;
const MANY = 2 ** 31 - 1;
const FAIL_FAST = exponential(1000, 32_000, 0);

/** The endpoint at `address`. */
export function bindEndpoint(
  address: EndpointAddress,
  parts: EndpointParts,
): HttpEndpoint<EndpointAddress> {
  const { clock, random, client, plugins, logger } = parts;
  const { settings } = client;
  const endpoint = new AccrualEndpoint(address, parts);
  const accrual = accrualOf(settings.failureAccrual, plugins);
  if (accrual !== undefined) {
    const breaker = new Breaker(endpoint, accrual, { clock, random });
    endpoint.watchers.push(breaker);
    endpoint.onClose(() => breaker.close());
  }
  const alpn = parts.config.protocol === "h2" ? ["h2"] : undefined;
  const dial = dialAddress(address, { ...settings, tls: client.tls, clock, alpn });
  const raw = ScopeConns.of(client.scope, clock).dial(dial);
  const filters: HttpFilter[] =
    address.authority === undefined ? [] : [asAuthority(address.authority)];
  const http = parts.config.protocol === "http" ? overH1 : overH2;
  endpoint.service = stack([tunnel(raw), ...filters], http(endpoint, raw, parts));
  logger.debug("Endpoint", { client: client.id, address: printAddr(address) });
  return endpoint;
}

function overH1(
  endpoint: HttpEndpoint<EndpointAddress>,
  raw: Dial<Conn>,
  { clock, random, client }: EndpointParts,
): HttpService {
  const { failFast, hostConnectionPool: size, clientSession: session } = client.settings;
  const options = {
    clock,
    random,
    backoff: FAIL_FAST,
    isClosed: (conn: Conn) => conn.closed,
    close: (conn: Conn) => conn.destroy(),
  };
  const pool = new H1Pool(failFast ? new Connector(endpoint, raw, options).dial : raw, {
    clock,
    idleTimeoutMs: Math.min(size.idleTimeMs || FOREVER_MS, session.idleTimeMs || FOREVER_MS),
    // The sessions' own limit holds for all of them.
    minOpen: session.idleTimeMs ? 0 : size.minSize,
    ...(session.lifeTimeMs ? { lifeTimeMs: session.lifeTimeMs } : {}),
  });
  endpoint.onClose(() => pool.close());
  const { maxSize: max, maxWaiters } = size;
  return max < MANY ? bulkhead({ max, maxWaiters })(pool.service) : pool.service;
}

function overH2(
  endpoint: HttpEndpoint<EndpointAddress>,
  raw: Dial<Conn>,
  { clock, random, client }: EndpointParts,
): HttpService {
  const { failFast, clientSession: session } = client.settings;
  const h2 = h2OptionsOf(client.settings, clock);
  const dial2 = async (): Promise<H2Client> => {
    const [{ H2Client }, conn] = await Promise.all([import("../io/h2client.ts"), raw()]);
    const made = new H2Client(conn, h2);
    if (session.lifeTimeMs) {
      const age = clock.after(session.lifeTimeMs, () => made.close());
      void made.done.then(() => age.cancel());
    }
    if (session.idleTimeMs) closeIdle(made, session.idleTimeMs, clock);
    return made;
  };
  const options = {
    clock,
    random,
    backoff: FAIL_FAST,
    isClosed: (one: H2Client) => one.draining || one.fault !== undefined,
    close: (one: H2Client) => one.close(),
  };
  const one = new Multiplexed(failFast ? new Connector(endpoint, dial2, options).dial : dial2);
  endpoint.onClose(() => one.close());
  return one.service;
}

const IDLE_LOOKS = 4;

function closeIdle(client: H2Client, idleMs: number, clock: RouterParts["clock"]): void {
  let idle = 0;
  const look = clock.every(idleMs / IDLE_LOOKS, () => {
    if (client.fault !== undefined || client.draining) return look.cancel();
    idle = client.load === 0 ? idle + 1 : 0;
    if (idle > IDLE_LOOKS) client.close();
  });
}

// Alive, or dead for a while, or about to be probed, or being probed.
type Life = "alive" | "dead" | "open" | "probing";

class AccrualEndpoint extends HttpEndpoint<EndpointAddress> {
  private life: Life = "alive";
  private diedAt = 0;
  private readonly accrual: MetricScope;
  private readonly parts: EndpointParts;

  constructor(address: EndpointAddress, parts: EndpointParts) {
    super(address, { clock: parts.clock, load: parts.load });
    this.parts = parts;
    this.accrual = parts.client.scope.at("failure_accrual");
    for (const name of ["removals", "revivals", "probes"]) this.accrual.counter(name);
  }

  override shut(reason: Reason, fault: Fault): void {
    if (reason === "broken") {
      if (this.life === "alive") {
        this.diedAt = this.clock.now();
        this.count("removals");
        this.tell(`marking connection to "${printAddr(this.target)}" as dead`, fault);
      }
      if (this.life === "open") this.count("probes");
      this.life = this.life === "open" ? "probing" : "dead";
    }
    super.shut(reason, fault);
  }

  override open(reason: Reason): void {
    if (reason === "broken" && this.life !== "alive") {
      const isRevived = this.life !== "dead";
      if (isRevived) {
        this.count("revivals");
        this.accrual.counter("removed_for_ms").add(Math.round(this.clock.now() - this.diedAt));
        this.tell(`marking connection to "${printAddr(this.target)}" as alive`);
      }
      this.life = isRevived ? "alive" : "open";
    }
    super.open(reason);
  }

  private count(name: string): void {
    this.accrual.counter(name).inc();
  }

  private tell(message: string, fault?: Fault): void {
    const { logger, client } = this.parts;
    const fields = { client: client.id, ...(fault ? { error: fault } : {}) };
    logger.info(`FailureAccrualFactory ${message}`, fields);
  }
}
