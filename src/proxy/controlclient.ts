// Calls to the control plane: gRPC over our own balancer and HTTP/2. A name is looked up as SRV, else as
// addresses; a literal stands for itself. Loopback is plaintext, all else mutual TLS with the service's name.

import type { DescMessage, DescMethodServerStreaming, MessageShape } from "@bufbuild/protobuf";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Scope } from "../base/scope.ts";
import { constant, type Watch } from "../base/watch.ts";
import { dial } from "../io/dial.ts";
import { H2Client } from "../io/h2client.ts";
import { startTls, type Credentials } from "../io/tls.ts";
import { isUnknownHost, numericIp, resolveHost, systemDns } from "../name/inet.ts";
import { poll } from "../name/poll.ts";
import { Balancer } from "../stack/balance.ts";
import { Connector, Multiplexed } from "../stack/connect.ts";
import { HttpEndpoint, type Target } from "../stack/endpoint.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { printAddr } from "../stack/normalize.ts";
import { Queue } from "../stack/queue.ts";
import { queueStats } from "../stack/routestats.ts";
import { HttpFamilies, Stats } from "../stack/stats.ts";
import type { HttpService } from "../stack/types.ts";
import type { OpenCall } from "./discover.ts";
import { isThisMachine, type Settings } from "./env.ts";
import type { HostPort } from "./settingtypes.ts";

export type ControlOptions = {
  /** For metrics: `destination`, `policy`, `identity`. */
  readonly topic: string;
  readonly addr: HostPort;
  /** The identity of the service; not needed for loopback. */
  readonly name: string | undefined;
  /** What to prove our identity with, and whom to believe. */
  readonly credentials: () => Credentials | undefined;
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly scope: Scope;
};

const CONNECT_MS = 1000;
const KEEP_ALIVE = { keepAliveIntervalMs: 10_000, keepAliveTimeoutMs: 3000 };
const QUEUE = { capacity: 1000, failfastMs: 30_000 };
const REFRESH_MS = 5000;

/** The HTTP service of a part of the control plane. */
export function controlService(options: ControlOptions): HttpService {
  const { topic, addr, clock, random, registry, scope } = options;
  const name = `${addr.host}:${addr.port}`;
  const families = new HttpFamilies(registry, "control_");
  const endpoint = (target: Target): HttpEndpoint => bindControlEndpoint(target, options, families);
  const balancer = new Balancer({ name, targets: watchTargets(options), endpoint, clock, random });
  const watcher = queueStats(registry, `control_${topic}`, { addr: name }, clock);
  const queue = new Queue(balancer, { clock, watcher, ...QUEUE });
  scope.defer(() => queue.close());
  return queue.service;
}

/** Opens the server streams of a control-plane service. */
export function openCalls(service: HttpService, options: ControlOptions): OpenCall {
  const { addr, clock } = options;
  return (method, request) => {
    const call = streamOf(method, service, `${addr.host}:${addr.port}`, clock);
    return (message, end) => {
      const messages = call(request);
      messages.each(message, (fault) =>
        end(fault?.detail ?? 0, fault?.message ?? "the stream ended"),
      );
      return () => messages.cancel(new GrpcFault("CANCELLED", "no longer wanted"));
    };
  };
}

type StreamCall<I extends DescMessage, O extends DescMessage> = (request: MessageShape<I>) => {
  each(
    message: (message: MessageShape<O>) => void,
    over: (fault: GrpcFault | undefined) => void,
  ): void;
  cancel(fault: Fault): void;
};

function streamOf<I extends DescMessage, O extends DescMessage>(
  method: DescMethodServerStreaming<I, O>,
  service: HttpService,
  authority: string,
  clock: Clock,
): StreamCall<I, O> {
  const client = grpcClient(method.parent, service, authority, { clock });
  return client[method.localName] as unknown as StreamCall<I, O>;
}

function bindControlEndpoint(
  target: Target,
  options: ControlOptions,
  families: HttpFamilies,
): HttpEndpoint {
  const { clock, random, addr, name, credentials } = options;
  const endpoint = new HttpEndpoint(target, { clock });
  const plain = isThisMachine(addr.host);
  const connect = async (): Promise<H2Client> => {
    const conn = await dial(target, { clock, timeoutMs: CONNECT_MS });
    if (plain) return new H2Client(conn, { clock, ...KEEP_ALIVE });
    const own = credentials();
    if (own === undefined || name === undefined) {
      conn.destroy();
      throw new Fault("unavailable", "no identity to call the control plane with");
    }
    const server = { id: name, serverName: name };
    const secure = await startTls(conn, own, server, { clock, timeoutMs: CONNECT_MS });
    return new H2Client(secure, { clock, ...KEEP_ALIVE });
  };
  const { dial: redial } = new Connector(endpoint, connect, {
    clock,
    random,
    isClosed: (client) => client.draining || client.fault !== undefined,
    close: (client) => client.close(),
  });
  const h2 = new Multiplexed(redial);
  endpoint.service = h2.service;
  const tls = plain ? { tls: "no_identity", no_tls_reason: "loopback" } : { tls: "true" };
  const labels = { addr: printAddr(target), ...tls, ...(plain ? {} : { server_id: name! }) };
  endpoint.watchers.push(new Stats(families, labels));
  endpoint.onClose(() => h2.close());
  return endpoint;
}

function watchTargets({
  addr,
  clock,
  settings,
}: ControlOptions): Watch<ReadonlyMap<string, Target>> {
  const { host, port } = addr;
  const ip = host === "localhost" || host === "localhost." ? "127.0.0.1" : numericIp(host);
  if (ip !== undefined) return constant(targetsOf([{ ip, port }]));
  let last = "";
  let targets = targetsOf([]);
  const { minTtlMs, maxTtlMs } = settings.dns;
  const refreshMs = Math.max(minTtlMs, Math.min(maxTtlMs, REFRESH_MS));
  return poll(clock, refreshMs, async () => {
    const addrs = await resolveService(host, port);
    const text = addrs.map(printAddr).sort().join();
    // The same addresses are the same targets: their connections stay.
    if (text !== last) targets = targetsOf(addrs);
    last = text;
    return targets;
  }).distinct();
}

async function resolveService(host: string, port: number): Promise<{ ip: string; port: number }[]> {
  const records = await systemDns.srv(host, []).catch((error: unknown) => {
    if (isUnknownHost(error)) return [];
    throw error;
  });
  // A cluster's DNS answers an SRV question for a plain service with its port of any name.
  const hosts = records.length > 0 ? records : [{ name: host, port }];
  const found = await Promise.all(
    hosts.map(async (one) =>
      (await resolveHost(one.name, systemDns)).map((ip) => ({ ip, port: one.port })),
    ),
  );
  return found.flat();
}

function targetsOf(addrs: readonly { ip: string; port: number }[]): ReadonlyMap<string, Target> {
  return new Map(addrs.map((addr) => [printAddr(addr), { ...addr, weight: 1, labels: {} }]));
}
