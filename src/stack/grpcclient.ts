// gRPC for clients: a protobuf service's methods as functions over any HTTP service, a balancer as well as one
// connection. Unary calls are promises; the messages of a stream are an async iterable, or come by callback.

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Clock, Timer } from "../base/clock.ts";
import type { Scope } from "../base/scope.ts";
import type { Close } from "../base/watch.ts";
import { Body } from "../io/body.ts";
import { HttpReq, type HttpRsp, SELF } from "../io/message.ts";
import {
  envelope,
  grpcOfHttp,
  grpcStatusName,
  parseGrpcMessage,
  printGrpcTimeout,
} from "../wire/grpc.ts";
import { header, type Headers } from "../wire/headers.ts";
import { GrpcFault, type GrpcOptions, MAX_MESSAGE_BYTES } from "./grpc.ts";
import { Messages, Outlet, type Stream } from "./grpcmessages.ts";
import type { HttpService } from "./types.ts";

export type CallOptions = {
  /** Sent with the request, for example a token; names in lower case. */
  readonly headers?: Headers;
  /** How long the call may take in all; the server is told. */
  readonly timeoutMs?: number;
  /** The call is cancelled when this closes. */
  readonly scope?: Scope;
};

/** How a method of each of the four kinds is called. */
export type CallOf<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (req: MessageInitShape<M["input"]>, options?: CallOptions) => Promise<MessageShape<M["output"]>>
  : M["methodKind"] extends "server_streaming"
    ? (req: MessageInitShape<M["input"]>, options?: CallOptions) => Messages<M["output"]>
    : M["methodKind"] extends "client_streaming"
      ? (reqs: Stream<M["input"]>, options?: CallOptions) => Promise<MessageShape<M["output"]>>
      : (reqs: Stream<M["input"]>, options?: CallOptions) => Messages<M["output"]>;

/** The methods of a service by their local names. */
export type Client<S extends DescService> = { [K in keyof S["method"]]: CallOf<S["method"][K]> };

/** A client of `desc` that sends its calls to `service` for `authority` (":authority", host and port). */
export function grpcClient<S extends DescService>(
  desc: S,
  service: HttpService,
  authority: string,
  options: GrpcOptions,
): Client<S> {
  const client: Record<string, unknown> = {};
  for (const method of desc.methods) {
    const path = `/${desc.typeName}/${method.name}`;
    client[method.localName] = (input: unknown, call: CallOptions = {}) => {
      const messages = begin(method, path, input, call);
      return method.methodKind === "unary" || method.methodKind === "client_streaming"
        ? messages.only()
        : messages;
    };
  }
  return client as Client<S>;

  function begin(
    method: DescMethod,
    path: string,
    input: unknown,
    call: CallOptions,
  ): Messages<DescMessage> {
    const headers = ["te", "trailers", "content-type", "application/grpc", ...(call.headers ?? [])];
    if (call.timeoutMs !== undefined)
      headers.push("grpc-timeout", printGrpcTimeout(call.timeoutMs));
    const body = bodyOf(method, input);
    const { clock } = options;
    const req = new HttpReq("POST", path, authority, 20, headers, body, SELF, clock.now());
    return new ClientCall(method, req, call, options).run(service);
  }
}

function bodyOf(method: DescMethod, input: unknown): Body {
  if (method.methodKind === "unary" || method.methodKind === "server_streaming") {
    const message = create(method.input, input as MessageInitShape<DescMessage>);
    return Body.of(envelope(toBinary(method.input, message)));
  }
  const outlet = new Outlet(method.input, (body, fault) => {
    if (fault === undefined) body.finish();
    else body.abort(fault);
  });
  outlet.start(input as Stream<DescMessage>);
  return outlet.body;
}

// One call on its way: request out, response messages in, deadline and cancellation.
class ClientCall {
  private readonly req: HttpReq;
  private readonly call: CallOptions;
  private readonly clock: Clock;
  private readonly messages: Messages<DescMessage>;
  private timer: Timer | undefined = undefined;
  private forget: Close | undefined = undefined;
  private rsp: HttpRsp | undefined = undefined;

  constructor(method: DescMethod, req: HttpReq, call: CallOptions, options: GrpcOptions) {
    const { clock, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
    this.req = req;
    this.call = call;
    this.clock = clock;
    // Read only when the response is there; how it is compressed is told by each message: gzip, or not at all.
    this.messages = new Messages(method.output, maxMessageBytes, "gzip", (trailers) =>
      this.verdict(trailers),
    );
  }

  run(service: HttpService): Messages<DescMessage> {
    const { req } = this;
    this.messages.onCancel = req.cancel.bind(req);
    this.messages.onEnd = (fault) => {
      this.timer?.cancel();
      this.forget?.();
      // An upload that nobody will read to its end.
      if (fault !== undefined) req.body.cancel(fault);
    };
    this.limit(this.call);
    // Its scope had closed before it began.
    if (req.cancelled !== undefined) return this.messages;
    service(req).then(
      (rsp) => this.respond(rsp),
      (error: unknown) => this.messages.abort(GrpcFault.from(error)),
    );
    return this.messages;
  }

  private limit({ timeoutMs, scope }: CallOptions): void {
    if (timeoutMs !== undefined) {
      const late = new GrpcFault("DEADLINE_EXCEEDED", `no end after ${timeoutMs} ms`);
      this.timer = this.clock.after(timeoutMs, () => this.messages.cancel(late));
    }
    this.forget = scope?.defer(() =>
      this.messages.cancel(new GrpcFault("CANCELLED", "the call is not wanted any more")),
    );
  }

  private respond(rsp: HttpRsp): void {
    this.rsp = rsp;
    if (this.req.cancelled !== undefined) return rsp.body.cancel(this.req.cancelled);
    const type = header(rsp.headers, "content-type") ?? "";
    if (rsp.status !== 200 || !type.startsWith("application/grpc")) {
      rsp.body.discard();
      const message = `HTTP status ${rsp.status} with content of type "${type}" instead of gRPC`;
      const fault = statusOf(rsp.headers) ?? new GrpcFault(grpcOfHttp(rsp.status), message);
      this.messages.abort(fault);
    } else {
      this.messages.read(rsp.body);
    }
  }

  private verdict(trailers: Headers): GrpcFault | undefined {
    const headers = header(trailers, "grpc-status") === undefined ? this.rsp!.headers : trailers;
    if (header(headers, "grpc-status") === "0") return undefined;
    return statusOf(headers) ?? new GrpcFault("INTERNAL", "the response has no grpc-status");
  }
}

// The failure that headers or trailers tell of.
function statusOf(headers: Headers): GrpcFault | undefined {
  const status = header(headers, "grpc-status");
  if (status === undefined) return undefined;
  const message = parseGrpcMessage(header(headers, "grpc-message") ?? "");
  return new GrpcFault(grpcStatusName(Number(status)), message, { side: "upstream" });
}
