// The applications of the soak: at each workload's address a server of every protocol, each of which says back what it
// is sent.

import type { ServerDuplexStream, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { createServer as createH1, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createH2, type ServerHttp2Stream } from "node:http2";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { echoServer } from "../support/websocket.ts";
import { PORTS, type Protocol } from "./soakworld.ts";

const definition = protoLoader.loadSync(join(import.meta.dirname, "../support/echo.proto"));
export const ECHO = definition["test.echo.Echo"] as unknown as grpc.ServiceDefinition;

/** What a server that speaks first says. */
export const GREETING = "220 ready\r\n";

type Closing = () => void;

/** The requests and connections that each address has served so far, but for those of gRPC and WebSocket. */
export const served = new Map<string, number>();

/** Starts all servers at `host`; gives what ends them. */
export async function startApps(host: string): Promise<Closing> {
  served.set(host, 0);
  const open = async (
    name: Protocol,
    server: ReturnType<typeof createServer>,
    turn: "request" | "stream" | "connection",
  ): Promise<Closing> => {
    server.on(turn, () => served.set(host, served.get(host)! + 1));
    await new Promise<void>((done) => server.listen(PORTS[name].target, host, done));
    return () => server.close();
  };
  const all = [
    open("http1", createH1(echoH1), "request"),
    open("http2", createH2().on("stream", echoH2) as never, "stream"),
    open(
      "opaque",
      createServer({ allowHalfOpen: true }, (socket) => echoBytes(socket, "")),
      "connection",
    ),
    open(
      "first",
      createServer({ allowHalfOpen: true }, (socket) => echoBytes(socket, GREETING)),
      "connection",
    ),
    echoServer({ host, port: PORTS.websocket.target }).then((it) => () => it.close()),
    echoGrpc(host),
  ];
  const closings = await Promise.all(all);
  return () => closings.forEach((close) => close());
}

function echoH1(req: IncomingMessage, rsp: ServerResponse): void {
  req.on("error", () => rsp.destroy());
  const length = req.headers["content-length"];
  rsp.writeHead(200, length === undefined ? {} : { "content-length": length });
  req.pipe(rsp);
}

function echoH2(stream: ServerHttp2Stream): void {
  stream.on("error", () => {});
  stream.respond({ ":status": 200 });
  stream.pipe(stream);
}

function echoBytes(socket: Socket, greeting: string): void {
  socket.on("error", () => socket.destroy());
  if (greeting) socket.write(greeting);
  socket.pipe(socket);
}

async function echoGrpc(host: string): Promise<Closing> {
  const server = new grpc.Server();
  server.addService(ECHO, {
    Once: (call: ServerUnaryCall<object, object>, answer: sendUnaryData<object>) =>
      answer(null, call.request),
    Chat: (call: ServerDuplexStream<object, object>) => {
      call.on("error", () => {});
      call.on("data", (say: object) => call.write(say));
      call.on("end", () => call.end());
    },
  });
  const credentials = grpc.ServerCredentials.createInsecure();
  await new Promise<void>((done, fail) =>
    server.bindAsync(`${host}:${PORTS.grpc.target}`, credentials, (error) =>
      error ? fail(error) : done(),
    ),
  );
  return () => server.forceShutdown();
}
