// The network in which nothing of an application changes: each pod has a network namespace of its own, and its
// sidecar another one in front of it, through which every connection of the pod passes in both directions.
//
//   pod ns            sidecar ns                          mesh ns (this process, the control plane, the edge)
//   eth0 10.244.1.1 ─ app0 ┊ 4140 ◀ all TCP from app0
//                          ┊ 4143 ◀ all TCP from eth0 ┊ eth0 10.244.129.1 ─ mesh0 10.244.0.1
//
// The sidecar is the pod's router, so it needs neither a user of its own nor privileges to be told apart from
// the application, as it does in a pod of Kubernetes; the redirections are otherwise those of proxy-init.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import { Addresses } from "./addresses.ts";
import { Child, run } from "./child.ts";
import { CLUSTER_DOMAIN, serveDns } from "./dns.ts";
import { serveEgress } from "./egress.ts";
import type { Env } from "./state.ts";
import { insideSocket, MACHINE_IP, outsideSocket } from "./isolation.ts";
import { loopbackVariables } from "./loopback.ts";
import type { Attachment, Network, PodPlace } from "./network.ts";
import { isFreeThrough, resolveThrough, serveRelay } from "./relay.ts";
import { ServiceProxy } from "./serviceproxy.ts";
import { PORTS } from "./sidecar.ts";
import type { State } from "./state.ts";
import type { Store } from "./store.ts";

/** The mesh's own address, at which pods find the control plane and names. */
export const MESH_IP = "10.244.0.1";
/** Pods, sidecars and services. */
export const TRANSPARENT_NETWORKS = "10.0.0.0/8";

const POD_PREFIX = "10.244";
const BRIDGE = "mesh0";
const GATEWAY = "169.254.1.1";

export type TransparentOptions = {
  readonly store: Store;
  readonly state: State;
  readonly env: Env;
  readonly clock: Clock;
};

export class Transparent implements Network {
  readonly #options: TransparentOptions;
  readonly #pods = new Addresses(POD_PREFIX, 1, 126);
  readonly #services = new Addresses("10.96", 0, 256);
  #count = 0;

  private constructor(options: TransparentOptions) {
    this.#options = options;
  }

  /** Makes the bridge, and serves names, services and ways in and out, until the scope closes. */
  static async open(options: TransparentOptions, scope: Scope): Promise<Transparent> {
    const { store, state } = options;
    const network = new Transparent(options);
    await network.#shell(`
      ip link set lo up
      ip link add ${BRIDGE} type bridge
      ip addr add ${MESH_IP}/16 dev ${BRIDGE}
      ip addr add ${MACHINE_IP}/32 dev ${BRIDGE}
      ip link set ${BRIDGE} up
      echo 1 > /proc/sys/net/ipv4/ip_forward`);
    const outside = outsideSocket(state.dir);
    scope.defer(await serveRelay(insideSocket(state.dir)));
    scope.defer(await serveDns(store, MESH_IP, (name) => resolveOutside(outside, name)));
    scope.defer(await serveEgress(outside, BRIDGE, (script) => network.#shell(script)));
    const services = new ServiceProxy(store, MESH_IP, (script) => network.#shell(script));
    scope.defer(() => services.close());
    return network;
  }

  serviceIp(): string {
    return this.#services.take();
  }

  isFree(port: number): Promise<boolean> {
    return isFreeThrough(outsideSocket(this.#options.state.dir), port);
  }

  async attach(pod: PodPlace): Promise<Attachment> {
    if (pod.entrances.length > 0) return edge(pod);
    const ip = this.#pods.take();
    const number = ++this.#count;
    const holders: Child[] = [];
    const close = async (): Promise<void> => {
      await Promise.all(holders.map((holder) => holder.stop(0)));
      this.#pods.give(ip);
    };
    try {
      const app = await this.#hold(pod, holders);
      const side = pod.meshed ? await this.#hold(undefined, holders) : undefined;
      await this.#shell(
        side === undefined
          ? wireAlone(number, app, ip)
          : wireMeshed(number, app, side, ip, pod.annotations),
      );
      return {
        ip,
        env: { HOST: "0.0.0.0" },
        sidecar: SIDECAR_VARIABLES,
        rewrite: (text) => text,
        within: (argv, cwd) => [...enter(app), "--mount", "--", ...inFolder(cwd), ...argv],
        beside: (argv) => [...enter(side ?? app), "--", ...argv],
        listens: (port) => isListening(app, port),
        close,
      };
    } catch (error) {
      await close();
      throw error;
    }
  }

  // A process that holds a network namespace, and for a pod a view of the files with its own resolv.conf.
  async #hold(pod: PodPlace | undefined, holders: Child[]): Promise<number> {
    const view = pod ? ["--mount"] : [];
    const names = pod ? this.#writeResolvConf(pod) : "";
    const mount = pod ? `mount --bind "$1" "$(readlink -f /etc/resolv.conf)"; ` : "";
    const script = `set -e; ${mount}ip link set lo up; echo ready; exec sleep 2147483647`;
    const lines: string[] = [];
    const holder = await new Promise<Child>((resolve, reject) => {
      const child = new Child({
        argv: ["unshare", "--net", ...view, "--", "sh", "-c", script, "sh", names],
        env: environment(this.#options.env),
        cwd: "/",
        clock: this.#options.clock,
        line: (line) => {
          lines.push(line);
          if (line === "ready") resolve(child);
        },
      });
      void child.exited.then(() => {
        reject(
          new Fault("no-permission", `a network namespace cannot be made: ${lines.join("; ")}`),
        );
      });
    });
    holders.push(holder);
    return holder.pid!;
  }

  #writeResolvConf({ namespace, name }: PodPlace): string {
    const path = join(this.#options.state.pod(namespace, name), "resolv.conf");
    const search = [`${namespace}.svc`, "svc"].map((part) => `${part}.${CLUSTER_DOMAIN}`);
    const text = `nameserver ${MESH_IP}\nsearch ${search.join(" ")} ${CLUSTER_DOMAIN}\noptions ndots:5\n`;
    this.#options.state.write(path, text);
    return path;
  }

  async #shell(script: string): Promise<void> {
    const lines: string[] = [];
    const exit = await run({
      argv: ["sh", "-ec", script],
      env: environment(this.#options.env),
      cwd: "/",
      line: (line) => lines.push(line),
      clock: this.#options.clock,
      timeoutMs: 10_000,
    });
    if (exit.code === 0) return;
    throw new Fault("no-permission", `the network cannot be set up: ${lines.join("; ")}`);
  }
}

/** All connections are redirected, so the sidecar listens everywhere and asks where each was going. */
const SIDECAR_VARIABLES = {
  LINKERD2_PROXY_OUTBOUND_LISTEN_ADDR: `0.0.0.0:${PORTS.outbound}`,
  LINKERD2_PROXY_INBOUND_LISTEN_ADDR: `0.0.0.0:${PORTS.inbound}`,
  LINKERD2_PROXY_CONTROL_LISTEN_ADDR: `0.0.0.0:${PORTS.tap}`,
  LINKERD2_PROXY_ADMIN_LISTEN_ADDR: `0.0.0.0:${PORTS.admin}`,
};

// The edge lives in the mesh's own namespace, where the relay finds its entrances on loopback.
function edge({ entrances }: PodPlace): Attachment {
  return {
    ip: MESH_IP,
    env: {},
    sidecar: loopbackVariables(MESH_IP, entrances),
    rewrite: (text) => text,
    within: (argv) => argv,
    beside: (argv) => argv,
    close: async () => {},
  };
}

// A pod without a sidecar hangs on the bridge itself.
function wireAlone(number: number, app: number, ip: string): string {
  return `
    ip link add p${number} type veth peer name q${number}
    ip link set p${number} master ${BRIDGE} up
    ip link set q${number} netns ${app} name eth0
    ${enter(app).join(" ")} -- sh -ec '
      ip addr add ${ip}/16 dev eth0
      ip link set eth0 up
      ip route add default via ${MESH_IP}'`;
}

function wireMeshed(
  number: number,
  app: number,
  side: number,
  ip: string,
  annotations: Readonly<Record<string, string>>,
): string {
  const skip = (chain: string, ports: string | undefined): string =>
    portRanges(ports)
      .map((range) => `iptables -w -t nat -A ${chain} -p tcp --dport ${range} -j RETURN`)
      .join("\n");
  return `
    ip link add p${number} type veth peer name q${number}
    ip link set p${number} master ${BRIDGE} up
    ip link set q${number} netns ${side} name eth0
    ip link add a${number} type veth peer name b${number}
    ip link set a${number} netns ${side} name app0
    ip link set b${number} netns ${app} name eth0
    ${enter(side).join(" ")} -- sh -ec '
      ip addr add ${sidecarIp(ip)}/16 dev eth0
      ip link set eth0 up
      ip route add default via ${MESH_IP}
      ip addr add ${GATEWAY}/32 dev app0
      ip link set app0 up
      ip route add ${ip}/32 dev app0
      echo 1 > /proc/sys/net/ipv4/ip_forward
      echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp
      iptables -w -t nat -N PROXY_INIT_REDIRECT
      iptables -w -t nat -A PREROUTING -i eth0 -j PROXY_INIT_REDIRECT
      ${redirect("PROXY_INIT_REDIRECT", PORTS.tap, PORTS.tap)}
      ${redirect("PROXY_INIT_REDIRECT", PORTS.admin, PORTS.admin)}
      ${skip("PROXY_INIT_REDIRECT", annotations["config.linkerd.io/skip-inbound-ports"])}
      ${redirect("PROXY_INIT_REDIRECT", undefined, PORTS.inbound)}
      iptables -w -t nat -N PROXY_INIT_OUTPUT
      iptables -w -t nat -A PREROUTING -i app0 -j PROXY_INIT_OUTPUT
      ${skip("PROXY_INIT_OUTPUT", annotations["config.linkerd.io/skip-outbound-ports"])}
      ${redirect("PROXY_INIT_OUTPUT", undefined, PORTS.outbound)}
      # A pod that calls itself through its service is called by its own sidecar.
      iptables -w -t nat -A OUTPUT -p tcp -d ${ip} --dport ${PORTS.inbound} -j REDIRECT --to-port ${PORTS.inbound}'
    ${enter(app).join(" ")} -- sh -ec '
      ip addr add ${ip}/32 dev eth0
      ip link set eth0 up
      ip route add ${GATEWAY} dev eth0 scope link
      ip route add default via ${GATEWAY}'`;
}

function redirect(chain: string, port: number | undefined, to: number): string {
  const match = port === undefined ? "" : ` --dport ${port}`;
  return `iptables -w -t nat -A ${chain} -p tcp${match} -j REDIRECT --to-port ${to}`;
}

// "25,8000-8010" as iptables has it; anything else in the list is left out.
function portRanges(text: string | undefined): string[] {
  const parts = (text ?? "").split(",").map((part) => part.trim().replace(/^\+/, ""));
  return parts.filter((part) => /^\d+(-\d+)?$/.test(part)).map((part) => part.replace("-", ":"));
}

// 10.244.1.7 has its sidecar at 10.244.129.7.
function sidecarIp(ip: string): string {
  const [a, b, c, d] = ip.split(".");
  return `${a}.${b}.${Number(c) + 128}.${d}`;
}

const enter = (pid: number): string[] => ["nsenter", "--target", String(pid), "--net"];

// Entering a view of the files leads to its root folder.
const inFolder = (cwd: string): string[] => ["sh", "-c", 'cd "$0" && exec "$@"', cwd];

// Whether a TCP socket listens (state 0A) on the port, as the kernel tells of a process's namespace.
function isListening(pid: number, port: number): boolean {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return ["tcp", "tcp6"].some((table) => {
    try {
      const lines = readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n");
      return lines.some((line) => {
        const [, local, , state] = line.trim().split(/\s+/);
        return state === "0A" && local?.endsWith(suffix) === true;
      });
    } catch {
      return false;
    }
  });
}

// The administrator's tools are not on everybody's path.
function environment(env: Env): Record<string, string> {
  return { PATH: `${env["PATH"] ?? ""}:/usr/sbin:/sbin` };
}

async function resolveOutside(socket: string, name: string): Promise<readonly string[]> {
  return name === "host.linkerd.internal" ? [MACHINE_IP] : resolveThrough(socket, name);
}
