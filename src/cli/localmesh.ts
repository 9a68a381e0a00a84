// The running local mesh as verbs see it: gRPC to its control plane and to viz, resources over its socket.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescService, MessageInitShape } from "@bufbuild/protobuf";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Destination } from "../../proto/gen/destination_pb.js";
import { InboundServerPolicies } from "../../proto/gen/inbound_pb.js";
import { OutboundPolicies } from "../../proto/gen/outbound_pb.js";
import { Api, ApiErrorSchema } from "../../proto/gen/viz/viz_pb.js";
import type { TapEvent } from "../../proto/gen/viz/viz_tap_pb.js";
import { TapByResourceRequestSchema, TapEventSchema } from "../../proto/gen/viz/viz_tap_pb.js";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { Scope } from "../base/scope.ts";
import { Body } from "../io/body.ts";
import type { SocketAddr } from "../io/conn.ts";
import { HttpReq, SELF } from "../io/message.ts";
import { CONTROLLER } from "../platform/controlprocess.ts";
import type { Mesh as PlatformMesh, MeshStatus } from "../platform/mesh.ts";
import { GrpcFault } from "../stack/grpc.ts";
import { grpcClient } from "../stack/grpcclient.ts";
import type { HttpService } from "../stack/types.ts";
import { openChannel } from "../stack/channel.ts";
import { readText } from "../viz/scrape.ts";
import { tapPath, Unframer } from "../viz/tapapi.ts";
import { kindOf } from "../viz/kinds.ts";
import { watchWorld } from "../viz/world.ts";
import type { Globals } from "./command.ts";
import { refusal } from "../platform/kubeapi.ts";
import { header } from "../wire/headers.ts";
import { connectLocal } from "./localaccess.ts";
import type { Client, Mesh } from "./mesh.ts";
import { vizAddr } from "./running.ts";

/** What is there to know of a mesh of this machine. */
export type LocalFacts = { readonly mesh: PlatformMesh; readonly status: MeshStatus };

const CALL_MS = 10_000;
const LOCAL_NAMESPACE = "default";

/** The mesh that runs on the state folder. */
export async function localMesh(globals: Globals, env: NodeJS.ProcessEnv): Promise<Mesh> {
  const mesh = await connectLocal(globals, env);
  const status = await mesh.status.next();
  const vizAt = globals.apiAddr === undefined ? vizAddr(status) : parseAddr(globals.apiAddr);
  const service = serviceAt(vizAt);
  const at = (text: string) => () => Promise.resolve(parseAddr(text));
  return {
    defaultNamespace: LOCAL_NAMESPACE,
    trustDomain: async () => status.trustDomain,
    clusterDomain: async () => "cluster.local",
    viz: firstAnswers(Api, () => Promise.resolve(vizAt)),
    vizPage: (path) => readText(vizAt, path, CALL_MS),
    controlPlane: (pod = CONTROLLER) => {
      if (pod !== CONTROLLER)
        throw new Fault("not-found", `the control plane of a local mesh is ${CONTROLLER} only`);
      return {
        destination: firstAnswers(Destination, at(status.destination)),
        inbound: firstAnswers(InboundServerPolicies, at(status.policy)),
        outbound: firstAnswers(OutboundPolicies, at(status.policy)),
      };
    },
    tap: (request, each, scope) => tapOver(service, request, each, scope),
    reach: async ({ ip }, port) => ({ ip, port }),
    version: async () => (await versionPage(vizAt)).version,
    dashboard: async () => (await versionPage(vizAt)).address || `http://${vizAt.ip}:${vizAt.port}`,
    resources: mesh.resources,
    world: () => watchWorld(mesh.resources).next(),
    controllerMetrics: async (waitMs) => [
      {
        pod: CONTROLLER,
        container: "controller",
        text: readText(parseAddr(status.controllerAdmin), "/metrics", waitMs),
      },
    ],
    certificates: async () => ({
      anchors: readFileSync(join(status.stateDir, "anchors.pem"), "utf8"),
      issuer: readIfThere(join(status.stateDir, "issuer.pem")),
    }),
    local: { mesh, status },
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/** Reads HOST:PORT. */
export function parseAddr(text: string): SocketAddr {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 0 || !Number.isInteger(port)) throw new Fault("bad-input", `"${text}" is not HOST:PORT`);
  return { ip: text.slice(0, at).replace(/^localhost$/, "127.0.0.1"), port };
}

/** The HTTP service at `addr`. A command asks one or two things and ends: each call has a connection of its own. */
export function serviceAt(addr: SocketAddr): HttpService {
  return async (req) => {
    const channel = openChannel(addr, systemClock);
    const rsp = await channel.service(req);
    rsp.body.onEnd(channel.close);
    return rsp;
  };
}

/** The methods of a service, of whose streams the first message is the answer; `reach` is asked for each call. */
export function firstAnswers<S extends DescService>(
  desc: S,
  reach: () => Promise<SocketAddr>,
): Client<S> {
  type Methods = Record<string, (request: unknown, options: object) => unknown>;
  const first = (name: string) => async (request: unknown) => {
    const addr = await reach();
    const client = grpcClient(desc, serviceAt(addr), `${addr.ip}:${addr.port}`, {
      clock: systemClock,
    });
    const answer = (client as unknown as Methods)[name]!(request, { timeoutMs: CALL_MS });
    if (!isIterable(answer)) return answer;
    for await (const message of answer) return message;
    throw new GrpcFault("NOT_FOUND", "the control plane has no answer");
  };
  return Object.fromEntries(
    desc.methods.map(({ localName }) => [localName, first(localName)]),
  ) as unknown as Client<S>;
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}

function requestOf(method: string, path: string, headers: string[], body: Body): HttpReq {
  return new HttpReq(method, path, "localhost", 20, headers, body, SELF, systemClock.now());
}

const MOST_BYTES = 64 << 20;

/** What viz says of itself at `addr`. */
export async function versionPage(addr: SocketAddr): Promise<{ version: string; address: string }> {
  const page = await readText(addr, "/api/version", CALL_MS);
  return JSON.parse(page) as { version: string; address: string };
}

/** Streams tap events of the viz behind `service`. */
export async function tapOver(
  service: HttpService,
  init: MessageInitShape<typeof TapByResourceRequestSchema>,
  each: (event: TapEvent) => void,
  scope: Scope,
): Promise<void> {
  const request = create(TapByResourceRequestSchema, init);
  const { namespace = "", type = "", name = "" } = request.target?.resource ?? {};
  const body = Body.of(Buffer.from(toBinary(TapByResourceRequestSchema, request)));
  const path = tapPath(namespace, kindOf(type)?.name ?? type, name);
  const rsp = await service(
    requestOf("POST", path, ["content-type", "application/octet-stream"], body),
  );
  const unframer = new Unframer();
  if (rsp.status !== 200) {
    const bytes = await rsp.body.read(
      MOST_BYTES,
      () => new Fault("body-too-large", "the answer is too large"),
    );
    // Viz itself says what is wrong in a frame; who stands before it says it otherwise.
    const [message] = header(rsp.headers, "linkerd-error") ? unframer.push(bytes) : [];
    if (!message) throw refusal(rsp.status, bytes.toString(), path);
    throw new Fault("unavailable", fromBinary(ApiErrorSchema, message).error);
  }
  const stop = scope.defer(() => rsp.body.cancel(new Fault("cancelled", "the command has ended")));
  await new Promise<void>((resolve, reject) => {
    rsp.body.onEnd(({ fault }) =>
      fault && fault.code !== "cancelled" ? reject(fault) : resolve(),
    );
    rsp.body.to({
      chunk: (chunk) => {
        for (const message of unframer.push(Buffer.from(chunk)))
          each(fromBinary(TapEventSchema, message));
        return true;
      },
      end: () => {},
      abort: () => {},
    });
  }).finally(stop);
}
