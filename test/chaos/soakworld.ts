// Where everything of the soak is: addresses, ports, and the manifests that say so.

import { podYaml } from "../support/world.ts";

/** The first of the control plane's ports. */
export const PLANE_PORT = 8086;

// Test runs side by side must not meet.
const net = `127.94.${process.pid & 255}`;
export const PLANE_IP = `${net}.1`;
export const CLIENT_IP = `${net}.2`;
const SERVICE_IP = `${net}.100`;

/** The workloads behind the service, by the names of their pods. */
export const SERVERS: ReadonlyMap<string, string> = new Map(
  ["web-1", "web-2", "web-3"].map((pod, i) => [pod, `${net}.${11 + i}`]),
);
export const CLIENT = "client";

/** The ports of the service and of its workloads, and what is declared to be spoken there. */
export const PORTS = {
  http1: { port: 80, target: 8080, appProtocol: "http" },
  http2: { port: 81, target: 8081, appProtocol: "kubernetes.io/h2c" },
  grpc: { port: 82, target: 8082, appProtocol: undefined },
  websocket: { port: 83, target: 8083, appProtocol: undefined },
  opaque: { port: 84, target: 8084, appProtocol: "linkerd.io/opaque" },
  first: { port: 85, target: 8085, appProtocol: "linkerd.io/opaque" },
} as const;
export type Protocol = keyof typeof PORTS;

/** Where a client connects that speaks `protocol`: a listener of its sidecar. */
export function listenerOf(protocol: Protocol): { host: string; port: number } {
  return { host: CLIENT_IP, port: 5000 + PORTS[protocol].port };
}

/** The environment by which the client's sidecar has these listeners. */
export function listeners(): Record<string, string> {
  const all = (Object.keys(PORTS) as Protocol[]).map((protocol) => {
    const { host, port } = listenerOf(protocol);
    return [`${host}:${port}`, `${SERVICE_IP}:${PORTS[protocol].port}`];
  });
  return {
    LINKERD2_PROXY_OUTBOUND_LISTEN_ADDRS: all.map(([listen]) => listen).join(),
    LINKERD_PROXY_OUTBOUND_ORIGINALS: all.map((pair) => pair.join("=")).join(),
  };
}

/** All manifests while the pods of `ready` may be sent traffic. */
export function manifests(ready: ReadonlySet<string>): string {
  const ports = Object.entries(PORTS).map(
    ([name, { port, target, appProtocol }]) =>
      `{name: ${name}, port: ${port}, targetPort: ${target}${appProtocol ? `, appProtocol: ${appProtocol}` : ""}}`,
  );
  const service = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: ns}
spec: {clusterIP: ${SERVICE_IP}, selector: {app: web}, ports: [${ports.join(", ")}]}
`;
  const pods = [...SERVERS].map(([pod, ip]) =>
    podYaml(pod, ip, {
      annotations: '{config.linkerd.io/opaque-ports: "8084,8085"}',
      ready: ready.has(pod),
    }),
  );
  const client = podYaml(CLIENT, CLIENT_IP, { labels: "app: client" });
  return [service, client, ...pods].join("---");
}
