// Everything of ours that a client may speak HTTP/1 to, with the recorder behind each: the sidecar beside the client,
// the same with another beside the server, the server's alone as another proxy calls it, and the router.

import { once } from "node:events";
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net";
import { connect, type TLSSocket } from "node:tls";
import { log } from "../../src/base/log.ts";
import { Linkerd } from "../../src/router/linkerd.ts";
import {
  encodeTransportHeader,
  TRANSPORT_ALPN,
  type TransportHeader,
} from "../../src/wire/transportheader.ts";
import type { At } from "./raw.ts";
import { CLIENT, SERVER, startWays, type Ways } from "./ways.ts";

export const FRONTS = ["outbound", "pair", "inbound", "router"] as const;
export type Front = (typeof FRONTS)[number];

export type Fronts = {
  readonly ways: Ways;
  /** A new connection to one of them. */
  dial(front: Front): Promise<Socket>;
  stop(): Promise<void>;
};

/** Starts all of them. */
export async function startFronts(): Promise<Fronts> {
  log.filter = "off";
  const ways = await startWays();
  const end = ways.end("outbound", "http1");
  const file = { file: "linkerd.yaml", read: () => Promise.resolve(routerYaml(end)), env: {} };
  const linkerd = await Linkerd.start(file).catch(async (error: unknown) => {
    await ways.stop();
    throw error;
  });
  const [server] = linkerd.addrs.routers["http"]!;
  return {
    ways,
    dial: async (front) => {
      if (front === "inbound") return dialInbound(ways, "http/1");
      const at = { host: server!.ip, port: server!.port };
      return connectTcp({
        ...(front === "router" ? at : ways.at(front, "http1")),
        noDelay: true,
        allowHalfOpen: true,
      });
    },
    stop: async () => {
      await linkerd.stop(100);
      await ways.stop();
    },
  };
}

/** A connection as another proxy of the mesh makes it: mutual TLS, and first of all the port that it wants. */
export async function dialInbound(
  ways: Ways,
  protocol: TransportHeader["protocol"],
  target: "http1" | "http2" = "http1",
): Promise<TLSSocket> {
  const { port } = ways.end("pair", target);
  return dialProxy(ways, encodeTransportHeader({ port, name: "", protocol }));
}

/** The same with any `first` bytes in place of a header. */
export async function dialProxy(ways: Ways, first: Buffer): Promise<TLSSocket> {
  const { certPem, keyPem, rootsPem } = await ways.credentials(CLIENT);
  const socket = connect({
    ...ways.inbound,
    servername: SERVER,
    cert: certPem,
    key: keyPem,
    ca: rootsPem,
    minVersion: "TLSv1.3",
    ALPNProtocols: [TRANSPORT_ALPN],
    checkServerIdentity: () => undefined,
  });
  await new Promise<void>((done, fail) => socket.once("secureConnect", done).once("error", fail));
  socket.write(first);
  return socket;
}

/** Listens at `at` and carries bytes as they are, for clients that cannot make the connections of `dial` themselves. */
export async function carry(at: At, dial: () => Promise<Socket>): Promise<Server> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    void dial().then((other) => {
      other.on("error", () => {});
      socket.on("close", () => other.destroy());
      other.on("close", () => socket.destroy());
      socket.pipe(other).pipe(socket);
    });
  });
  server.listen(at.port, at.host);
  await once(server, "listening");
  return server;
}

function routerYaml({ host, port }: { host: string; port: number }): string {
  return `
admin: {ip: 127.0.0.100, port: 0}
routers:
- protocol: http
  label: http
  dtab: /svc => /$/inet/${host}/${port}
  servers: [{ip: 127.0.0.1, port: 0}]
`;
}
