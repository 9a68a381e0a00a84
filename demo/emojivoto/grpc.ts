// The two gRPC services as types, and the few lines that serve and call them. Methods and messages come from the
// .proto files at run time, so nothing is generated; calls are typed by the interfaces below.

import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { MethodDefinition } from "@grpc/proto-loader";
import { join } from "node:path";
import { authority, listen, onStop, settings } from "./workload.ts";

// Failures come back to the callers, which print them; the library shall not print them as well.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

type Empty = Record<string, never>;

export interface Emoji {
  readonly unicode: string;
  readonly shortcode: string;
}

export interface VotingResult {
  readonly shortcode: string;
  readonly votes: number;
}

export interface EmojiService {
  ListAll(req: Empty): { list: Emoji[] };
  FindByShortcode(req: { shortcode: string }): { emoji: Emoji | null };
}

export interface VotingService {
  [vote: `Vote${string}`]: (req: Empty) => Empty;
  Results(req: Empty): { results: VotingResult[] };
}

type Methods<Service> = { [M in keyof Service]: (req: never) => unknown };

const definitions = loadSync(["emoji.proto", "voting.proto"], {
  includeDirs: [join(import.meta.dirname, "proto")],
  defaults: true,
});

function methodsOf(service: string): Record<string, MethodDefinition<object, object>> {
  return definitions[`emojivoto.v1.${service}`] as Record<string, MethodDefinition<object, object>>;
}

/** A failure that the caller shall see as a gRPC status. */
export class StatusError extends Error {
  readonly code: grpc.status;
  constructor(code: grpc.status, message: string) {
    super(message);
    this.code = code;
  }
}

/** Runs a workload that serves `methods` on GRPC_PORT until it is told to stop; what a method throws is the status. */
export async function serve<Service extends Methods<Service>>(
  workload: string,
  service: string,
  methods: { [M in keyof Service]: (req: Parameters<Service[M]>[0]) => unknown },
) {
  settings(workload, { GRPC_PORT: "8080" });
  const server = new grpc.Server();
  const unary = Object.entries(methods as Record<string, (req: object) => unknown>).map(
    ([name, method]) => [
      name,
      ({ request }: grpc.ServerUnaryCall<object, object>, done: grpc.sendUnaryData<object>) => {
        const rsp = (async () => method(request) as object)();
        rsp.then((value) => done(null, value), done);
      },
    ],
  );
  server.addService(
    methodsOf(service),
    Object.fromEntries(unary) as grpc.UntypedServiceImplementation,
  );
  await listen(workload, "GRPC_PORT", (host, port) => {
    const bound = Promise.withResolvers<number>();
    const target = authority(host, port);
    server.bindAsync(target, grpc.ServerCredentials.createInsecure(), (cause, at) =>
      cause ? bound.reject(cause) : bound.resolve(at),
    );
    return bound.promise;
  });
  onStop(
    workload,
    () =>
      new Promise((done, failed) =>
        server.tryShutdown((cause) => (cause ? failed(cause) : done())),
      ),
  );
}

/** Calls one service over one connection, which is made anew whenever it is lost. */
export class Channel<Service extends Methods<Service>> {
  readonly #client: grpc.Client;
  readonly #methods: Record<string, MethodDefinition<object, object>>;

  /** `target` is host:port; its first address that answers takes all calls (gRPC calls this pick_first). */
  constructor(service: string, target: string) {
    this.#methods = methodsOf(service);
    this.#client = new grpc.Client(target, grpc.credentials.createInsecure(), {
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": 2_000,
      "grpc.enable_http_proxy": 0,
    });
  }

  /** One call with the caller's headers; aborting `signal` cancels it. */
  call<M extends keyof Service & string>(
    method: M,
    req: Parameters<Service[M]>[0],
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<ReturnType<Service[M]>> {
    const { path, requestSerialize, responseDeserialize } = this.#methods[method]!;
    const metadata = grpc.Metadata.fromHttp2Headers(headers);
    const { promise, resolve, reject } = Promise.withResolvers<ReturnType<Service[M]>>();
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      req,
      metadata,
      (cause, rsp) => (cause ? reject(cause) : resolve(rsp as ReturnType<Service[M]>)),
    );
    signal.addEventListener("abort", () => call.cancel(), { once: true });
    return promise;
  }

  close() {
    this.#client.close();
  }
}
