// The messages of a gRPC stream, in both directions: Messages takes a body apart, Outlet makes one. Both hold back: a
// body whose messages nobody takes is not read on, and who sends is told when it is too fast.

import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Fault } from "../base/fault.ts";
import type { Close } from "../base/watch.ts";
import { Body, type Origin, type Sink } from "../io/body.ts";
import { keep } from "../io/memory.ts";
import { envelope, EnvelopeReader } from "../wire/grpc.ts";
import type { Headers } from "../wire/headers.ts";
import { GrpcFault } from "./grpc.ts";

// Messages that may wait for a consumer before the body is held back.
const MAX_WAITING = 16;

type Over = (fault: GrpcFault | undefined) => void;

/** What arrives: an async iterable of messages, or `each` for callbacks. One consumer, once. */
export class Messages<D extends DescMessage> implements Sink, AsyncIterable<MessageShape<D>> {
  /** For whoever runs the call: the consumer wants no more; and the stream is over, however that came. */
  onCancel: ((fault: Fault) => void) | undefined = undefined;
  onEnd: Over | undefined = undefined;

  private readonly schema: D;
  private readonly encoding: string | undefined;
  private readonly maxMessageBytes: number;
  private readonly reader: EnvelopeReader;
  private readonly verdict: (trailers: Headers) => GrpcFault | undefined;
  private body: Body | undefined = undefined;
  private waiting: MessageShape<D>[] = [];
  private over = false;
  private fault: GrpcFault | undefined = undefined;
  private onMessage: ((message: MessageShape<D>) => void) | undefined = undefined;
  private onOver: Over | undefined = undefined;
  private wake: () => void = () => {};

  /** `encoding` is the sender's grpc-encoding; `verdict` says from the trailers whether the call went well. */
  constructor(
    schema: D,
    maxMessageBytes: number,
    encoding: string | undefined,
    verdict: (trailers: Headers) => GrpcFault | undefined,
  ) {
    this.schema = schema;
    this.maxMessageBytes = maxMessageBytes;
    this.encoding = encoding;
    this.reader = new EnvelopeReader(maxMessageBytes);
    this.verdict = verdict;
  }

  /** Begins to read `body`. */
  read(body: Body): this {
    this.body = body;
    body.to(this);
    return this;
  }

  /** Calls `onMessage` for each message as it comes, then `onOver` once. The body is not held back. */
  each(onMessage: (message: MessageShape<D>) => void, onOver: Over): void {
    this.onMessage = onMessage;
    for (const message of this.waiting.splice(0)) onMessage(message);
    if (this.over) return onOver(this.fault);
    this.onOver = onOver;
    this.body?.resume();
  }

  /** The only message of a body that may hold just one. */
  only(): Promise<MessageShape<D>> {
    return new Promise((resolve, reject) => {
      const messages: MessageShape<D>[] = [];
      this.each(
        (message) => messages.push(message),
        (fault) => {
          if (fault !== undefined) return reject(fault);
          if (messages.length === 1) return resolve(messages[0]!);
          reject(new GrpcFault("UNIMPLEMENTED", `${messages.length} messages instead of one`));
        },
      );
    });
  }

  /** Ends the stream here: its origin is told to stop. */
  cancel(fault: Fault): void {
    if (this.over) return;
    this.onCancel?.(fault);
    this.body?.cancel(fault);
    this.abort(fault);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MessageShape<D>, void> {
    try {
      for (;;) {
        const message = this.waiting.shift();
        if (message !== undefined) {
          yield message;
          continue;
        }
        if (this.over) {
          if (this.fault !== undefined) throw this.fault;
          return;
        }
        await new Promise<void>((resolve) => {
          this.wake = resolve;
          this.body?.resume();
        });
      }
    } finally {
      this.cancel(new GrpcFault("CANCELLED", "the stream is not wanted any more"));
    }
  }

  chunk(chunk: Buffer): boolean {
    // A message shares the memory of what it was decoded from.
    const tooLarge = this.reader.push(keep(chunk), (bytes, compressed) =>
      this.decode(bytes, compressed),
    );
    if (tooLarge !== undefined) {
      const message = `a message of ${tooLarge} bytes, the limit is ${this.maxMessageBytes}`;
      this.cancel(new GrpcFault("RESOURCE_EXHAUSTED", message));
    }
    this.wake();
    return this.waiting.length < MAX_WAITING;
  }

  end(trailers: Headers | undefined): void {
    const cut = this.reader.complete ? undefined : new GrpcFault("INTERNAL", "half a message");
    this.conclude(this.verdict(trailers ?? []) ?? cut);
  }

  abort(fault: Fault): void {
    this.conclude(GrpcFault.from(fault));
  }

  private conclude(fault: GrpcFault | undefined): void {
    if (this.over) return;
    this.over = true;
    this.fault = fault;
    this.wake();
    this.onEnd?.(fault);
    this.onOver?.(fault);
  }

  private decode(bytes: Buffer, compressed: boolean): void {
    if (this.over) return;
    try {
      const message = fromBinary(this.schema, compressed ? this.inflate(bytes) : bytes);
      if (this.onMessage !== undefined) this.onMessage(message);
      else this.waiting.push(message);
    } catch (error) {
      const fault =
        error instanceof GrpcFault
          ? error
          : new GrpcFault(
              "INTERNAL",
              `not a ${this.schema.typeName}: ${Fault.from(error).message}`,
              {
                cause: error,
              },
            );
      this.cancel(fault);
    }
  }

  private inflate(bytes: Buffer): Buffer {
    if (this.encoding === "gzip") {
      // 2 MB that most processes never need.
      const { gunzipSync } = process.getBuiltinModule("node:zlib");
      return gunzipSync(bytes, { maxOutputLength: this.maxMessageBytes });
    }
    const encoding = this.encoding ?? "no grpc-encoding";
    throw new GrpcFault(
      "UNIMPLEMENTED",
      `a message compressed with ${encoding}; gzip is understood`,
    );
  }
}

/** Sends messages until it is told to stop: runs with the outlet, returns how to stop it. A watch fits in well. */
export type Feed<D extends DescMessage> = (outlet: Outlet<D>) => Close;

/** What a method sends: an async iterable, whose pace is the receiver's, or a feed. */
export type Stream<D extends DescMessage> = AsyncIterable<MessageInitShape<D>> | Feed<D>;

/** Where the messages of a stream go out. */
export class Outlet<D extends DescMessage> implements Origin {
  readonly body: Body;
  /** Told when there is room again after `send` returned false. */
  onRoom: (() => void) | undefined = undefined;
  /** Told when the stream is over, with the fault that ended it early. */
  onOver: Over | undefined = undefined;

  private readonly schema: D;
  private readonly finish: (body: Body, fault: GrpcFault | undefined) => void;
  private stop: Close | undefined = undefined;
  private over = false;

  /** `finish` ends the body as its side of gRPC does: with trailers, or without. */
  constructor(schema: D, finish: (body: Body, fault: GrpcFault | undefined) => void) {
    this.schema = schema;
    this.finish = finish;
    this.body = Body.stream(this);
  }

  /** Sends a message. False: the receiver is slow; more may be sent all the same, and waits in memory. */
  send(message: MessageInitShape<D>): boolean {
    if (this.over) return true;
    return this.body.push(envelope(toBinary(this.schema, create(this.schema, message))));
  }

  /** Ends the stream, well or with `fault`. */
  end(fault?: GrpcFault): void {
    if (!this.conclude(fault)) return;
    this.finish(this.body, fault);
  }

  /** Sends what `stream` brings, to its end. */
  start(stream: Stream<D>): void {
    if (typeof stream !== "function") {
      const iterator = stream[Symbol.asyncIterator]();
      this.stop = () => void iterator.return?.()?.catch(() => {});
      void this.pump(iterator);
      return;
    }
    this.stop = stream(this);
    if (this.over) this.stop();
  }

  resume(): void {
    this.onRoom?.();
  }

  cancel(fault: Fault): void {
    this.conclude(GrpcFault.from(fault));
  }

  private async pump(iterator: AsyncIterator<MessageInitShape<D>>): Promise<void> {
    try {
      for (;;) {
        const next = await iterator.next();
        if (next.done === true) break;
        if (!this.send(next.value)) await new Promise<void>((resolve) => (this.onRoom = resolve));
        if (this.over) return;
      }
      this.stop = undefined;
      this.end();
    } catch (error) {
      this.stop = undefined;
      this.end(GrpcFault.from(error));
    }
  }

  private conclude(fault: GrpcFault | undefined): boolean {
    if (this.over) return false;
    this.over = true;
    this.stop?.();
    this.onRoom?.();
    this.onOver?.(fault);
    return true;
  }
}
