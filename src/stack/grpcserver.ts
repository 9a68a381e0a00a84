// gRPC for servers: methods of protobuf services as an HTTP service, so that every filter applies to them too.

import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { Timer } from "../base/clock.ts";
import type { Fault } from "../base/fault.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp } from "../io/message.ts";
import { envelope, parseGrpcTimeout } from "../wire/grpc.ts";
import { header, type Headers } from "../wire/headers.ts";
import { GrpcFault, type GrpcOptions, grpcTrailers, MAX_MESSAGE_BYTES } from "./grpc.ts";
import { Messages, Outlet, type Stream } from "./grpcmessages.ts";
import type { HttpService } from "./types.ts";

/** One call, as a method sees it. */
export class Call {
  readonly req: HttpReq;
  /** Sent with the status at the end of the call; a method may add to them. */
  readonly trailers: Headers = [];
  /** Why nobody waits for the call any more: the client is gone, or its deadline is over. */
  cancelled: GrpcFault | undefined = undefined;
  private hooks: ((fault: GrpcFault) => void)[] = [];

  constructor(req: HttpReq) {
    this.req = req;
  }

  /** Calls `hook` when the call is cancelled, at once if it is already. */
  onCancel(hook: (fault: GrpcFault) => void): void {
    if (this.cancelled !== undefined) hook(this.cancelled);
    else this.hooks.push(hook);
  }

  /** Tells the method that nobody waits for it. */
  cancel(fault: Fault): void {
    if (this.cancelled !== undefined) return;
    this.cancelled = GrpcFault.from(fault);
    for (const hook of this.hooks.splice(0)) hook(this.cancelled);
  }
}

type Answer<D extends DescMessage> = MessageInitShape<D> | Promise<MessageInitShape<D>>;
type StreamAnswer<D extends DescMessage> = Stream<D> | Promise<Stream<D>>;

/** What implements a method of each of the four kinds. */
export type Method<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (req: MessageShape<M["input"]>, call: Call) => Answer<M["output"]>
  : M["methodKind"] extends "server_streaming"
    ? (req: MessageShape<M["input"]>, call: Call) => StreamAnswer<M["output"]>
    : M["methodKind"] extends "client_streaming"
      ? (reqs: Messages<M["input"]>, call: Call) => Answer<M["output"]>
      : (reqs: Messages<M["input"]>, call: Call) => StreamAnswer<M["output"]>;

/** The methods of a service by their local names; a missing one is UNIMPLEMENTED. */
export type Methods<S extends DescService> = { [K in keyof S["method"]]?: Method<S["method"][K]> };

type AnyMethod = (input: unknown, call: Call) => unknown;
type Route = { readonly desc: DescMethod; readonly method: AnyMethod };

/** A service with its methods, for `grpcService`. */
export type Implementation = { readonly service: DescService; readonly methods: object };

/** Pairs a service's descriptor with its methods. */
export function implement<S extends DescService>(service: S, methods: Methods<S>): Implementation {
  return { service, methods };
}

/** Serves all of `implementations`. It speaks HTTP/2 semantics: trailers must reach the client. */
export function grpcService(
  implementations: readonly Implementation[],
  options: GrpcOptions,
): HttpService {
  const routes = new Map<string, Route>();
  for (const { service, methods } of implementations) {
    for (const desc of service.methods) {
      const method = (methods as Record<string, AnyMethod | undefined>)[desc.localName];
      if (method) routes.set(`/${service.typeName}/${desc.name}`, { desc, method });
    }
  }
  return async function grpc(req) {
    const type = header(req.headers, "content-type") ?? "";
    if (req.method !== "POST" || !/^application\/grpc([+;]|$)/.test(type)) {
      req.body.discard();
      return new HttpRsp(415, [], Body.empty, 20);
    }
    const route = routes.get(req.path);
    if (!route) return refuse(new GrpcFault("UNIMPLEMENTED", `no method ${req.path}`), []);
    return new ServerCall(req, route, options).run();
  };
}

const HEAD = ["content-type", "application/grpc"];

// A response without messages: its status stands in the head.
function refuse(fault: GrpcFault, trailers: Headers): HttpRsp {
  const rsp = new HttpRsp(200, [...HEAD, ...grpcTrailers(fault, trailers)], Body.empty, 20);
  rsp.fault = fault;
  return rsp;
}

// One call on its way through: request messages in, deadline, response out.
class ServerCall {
  private readonly req: HttpReq;
  private readonly route: Route;
  private readonly call: Call;
  private readonly messages: Messages<DescMessage>;
  private readonly timer: Timer | undefined;

  constructor(req: HttpReq, route: Route, options: GrpcOptions) {
    const { clock, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
    const encoding = header(req.headers, "grpc-encoding");
    const timeoutMs = parseGrpcTimeout(header(req.headers, "grpc-timeout") ?? "");
    this.req = req;
    this.route = route;
    this.call = new Call(req);
    this.messages = new Messages(route.desc.input, maxMessageBytes, encoding, () => undefined);
    this.timer =
      timeoutMs === undefined
        ? undefined
        : clock.after(timeoutMs, () => {
            this.call.cancel(
              new GrpcFault("DEADLINE_EXCEEDED", "the deadline of the call is over"),
            );
          });
    req.onCancel = this.call.cancel.bind(this.call);
  }

  async run(): Promise<HttpRsp> {
    const { desc, method } = this.route;
    const { call, messages } = this;
    const kind = desc.methodKind;
    try {
      messages.read(this.req.body);
      const wantsOne = kind === "unary" || kind === "server_streaming";
      const input = wantsOne ? await this.unlessCancelled(messages.only()) : messages;
      const answer = await this.unlessCancelled(Promise.resolve(method(input, call)));
      if (kind === "server_streaming" || kind === "bidi_streaming") {
        return this.stream(answer as Stream<DescMessage>);
      }
      this.over(undefined);
      const message = create(desc.output, answer as MessageInitShape<DescMessage>);
      const bytes = envelope(toBinary(desc.output, message));
      return new HttpRsp(
        200,
        HEAD.slice(),
        Body.of(bytes, grpcTrailers(undefined, call.trailers)),
        20,
      );
    } catch (error) {
      const fault = GrpcFault.from(error);
      this.over(fault);
      return refuse(fault, call.trailers);
    }
  }

  private stream(answer: Stream<DescMessage>): HttpRsp {
    const { call } = this;
    const outlet = new Outlet(this.route.desc.output, (body, fault) =>
      body.finish(grpcTrailers(fault, call.trailers)),
    );
    outlet.onOver = (fault) => {
      this.over(fault);
      if (fault !== undefined) call.cancel(fault);
    };
    call.onCancel((fault) => outlet.end(fault));
    outlet.start(answer);
    return new HttpRsp(200, HEAD.slice(), outlet.body, 20);
  }

  // The call has its end: what the client may still send is not read.
  private over(fault: Fault | undefined): void {
    this.timer?.cancel();
    this.messages.cancel(fault ?? new GrpcFault("CANCELLED", "the call is over"));
  }

  private unlessCancelled<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.call.onCancel(reject);
      promise.then(resolve, reject);
    });
  }
}
