// Probes, as a kubelet makes them: HTTP, TCP, a command, or gRPC health. A probe runs in a rhythm and has an opinion
// once enough of its results in a row agree.

import { connect } from "node:net";
import { Health, HealthCheckResponse_ServingStatus } from "../../proto/gen/health_pb.js";
import type { Clock } from "../base/clock.ts";
import type { Close } from "../base/watch.ts";
import { openChannel } from "../stack/channel.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import type { Container, Probe } from "./kinds.ts";
import { nodeHttp, nodeHttps } from "./nodehttp.ts";

const EAGER_MS = 200;

/** Where a probe goes: the pod's address, its container's ports, and how a command runs beside the container. */
export type ProbeTarget = {
  readonly ip: string;
  readonly ports: Container["ports"];
  exec(command: readonly string[], timeoutMs: number): Promise<boolean>;
  /** Whether the program listens on a port, where a connection would reach a sidecar and not tell. */
  readonly listens?: (port: number) => boolean;
};

/**
 * Calls `verdict` each time that `probe` changes its opinion, the first time included, until closed. An eager
 * one does not wait a whole period for what is just starting.
 */
export function watchProbe(
  clock: Clock,
  probe: Probe,
  target: ProbeTarget,
  eager: boolean,
  verdict: (good: boolean) => void,
): Close {
  let opinion: boolean | undefined;
  let last: boolean | undefined;
  let inRow = 0;
  let closed = false;
  let timer = clock.after(probe.initialDelaySeconds * 1000, turn);

  function turn(): void {
    void runProbe(clock, probe, target).then((good) => {
      if (closed) return;
      inRow = good === last ? inRow + 1 : 1;
      last = good;
      const enough = good ? probe.successThreshold : probe.failureThreshold;
      if (inRow >= enough && opinion !== good) {
        opinion = good;
        verdict(good);
      }
      timer = clock.after(eager && opinion !== true ? EAGER_MS : probe.periodSeconds * 1000, turn);
    });
  }
  return () => {
    closed = true;
    timer.cancel();
  };
}

/** Runs a probe once. */
function runProbe(clock: Clock, probe: Probe, target: ProbeTarget): Promise<boolean> {
  const timeoutMs = probe.timeoutSeconds * 1000;
  if (probe.exec) return target.exec(probe.exec.command, timeoutMs);
  if (probe.httpGet) return probeHttp(clock, probe.httpGet, target, timeoutMs);
  if (probe.grpc) return probeGrpc(clock, probe.grpc, target, timeoutMs);
  if (!probe.tcpSocket) return Promise.resolve(true);
  const host = localHost(probe.tcpSocket.host, target);
  const number = portNumber(probe.tcpSocket.port, target.ports);
  if (target.listens) return Promise.resolve(target.listens(number));
  return probeTcp(clock, host, number, timeoutMs);
}

/** The number of a port that a probe or a service names; 0 when no container port has that name. */
export function portNumber(port: number | string, ports: Container["ports"]): number {
  if (typeof port === "number") return port;
  return ports.find((each) => each.name === port)?.containerPort ?? 0;
}

// "localhost" in a container is the pod itself.
function localHost(host: string | undefined, target: ProbeTarget): string {
  return host === undefined || host === "localhost" || host === "127.0.0.1" ? target.ip : host;
}

function probeHttp(
  clock: Clock,
  get: NonNullable<Probe["httpGet"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<boolean> {
  const headers = Object.fromEntries(get.httpHeaders.map(({ name, value }) => [name, value]));
  const options = {
    host: localHost(get.host, target),
    port: portNumber(get.port, target.ports),
    path: get.path,
    headers: { "user-agent": "kube-probe/local", ...headers },
    agent: false as const,
  };
  return new Promise((resolve) => {
    const req =
      get.scheme === "HTTPS"
        ? nodeHttps().request({ ...options, rejectUnauthorized: false })
        : nodeHttp().request(options);
    const timer = clock.after(timeoutMs, () => req.destroy(new Error("too slow")));
    const finish = (good: boolean): void => {
      timer.cancel();
      resolve(good);
    };
    req.on("response", (rsp) => {
      rsp.resume();
      const status = rsp.statusCode ?? 0;
      finish(status >= 200 && status < 400);
    });
    req.on("error", () => finish(false));
    req.end();
  });
}

async function probeGrpc(
  clock: Clock,
  { port, service = "" }: NonNullable<Probe["grpc"]>,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<boolean> {
  const addr = { ip: target.ip, port: portNumber(port, target.ports) };
  const channel = openChannel(addr, clock);
  const health = grpcClient(Health, channel.service, `${addr.ip}:${addr.port}`, { clock });
  try {
    const { status } = await health.check({ service }, { timeoutMs });
    return status === HealthCheckResponse_ServingStatus.SERVING;
  } catch {
    return false;
  } finally {
    channel.close();
  }
}

function probeTcp(clock: Clock, host: string, port: number, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const finish = (good: boolean): void => {
      timer.cancel();
      socket.destroy();
      resolve(good);
    };
    const timer = clock.after(timeoutMs, () => finish(false));
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
