// gRPC over our own HTTP/2, with @grpc/grpc-js as the independent other side: all four kinds of methods, both ways.

import assert from "node:assert/strict";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import {
  create,
  createFileRegistry,
  type DescMethod,
  fromBinary,
  type Message,
} from "@bufbuild/protobuf";
import type { GenMessage, GenService } from "@bufbuild/protobuf/codegenv2";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { dialH2, faultOf, listenH2, request, settle } from "../../test/support/h2.ts";
import { systemClock } from "../base/clock.ts";
import { Scope } from "../base/scope.ts";
import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";
import { GRPC, grpcStatusName } from "../wire/grpc.ts";
import { GrpcFault } from "./grpc.ts";
import { grpcClient } from "./grpcclient.ts";
import type { Outlet } from "./grpcmessages.ts";
import { type Call, grpcService, implement } from "./grpcserver.ts";

// The service as @grpc/proto-loader reads it, and the same descriptors for ours.
const definition = protoLoader.loadSync(
  fileURLToPath(new URL("../../test/support/echo.proto", import.meta.url)),
  { keepCase: true, defaults: true },
);
const echoDefinition = definition["test.echo.Echo"] as unknown as grpc.ServiceDefinition;
const files = (definition["test.echo.Say"] as protoLoader.MessageTypeDefinition<object, object>)
  .fileDescriptorProtos;
const registry = createFileRegistry(
  create(FileDescriptorSetSchema, {
    file: files.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes)),
  }),
);

// What the generated code of echo.proto would say.
type Say = Message<"test.echo.Say"> & { text: string; times: number; payload: Uint8Array };
type SayDesc = GenMessage<Say>;
type Kind<K extends DescMethod["methodKind"]> = {
  methodKind: K;
  input: SayDesc;
  output: SayDesc;
};
type EchoDesc = GenService<{
  once: Kind<"unary">;
  repeat: Kind<"server_streaming">;
  join: Kind<"client_streaming">;
  chat: Kind<"bidi_streaming">;
  missing: Kind<"unary">;
}>;
const Echo = registry.getService("test.echo.Echo") as unknown as EchoDesc;

const options = { clock: systemClock, maxMessageBytes: 100_000 };
function failIfAsked(say: Say, call: Call): void {
  call.trailers.push("x-seen", "yes");
  if (say.times < 0) throw new GrpcFault(grpcStatusName(-say.times), `${say.text} – 100%`);
}

async function* repeat(
  say: Say,
  call: Call,
): AsyncGenerator<{ text: string; payload: Uint8Array }> {
  for (let i = 0; i < Math.abs(say.times); i++)
    yield { text: `${say.text}${i}`, payload: say.payload };
  failIfAsked(say, call);
}

const service = grpcService(
  [
    implement(Echo, {
      once: async (say, call) => {
        failIfAsked(say, call);
        if (say.text === "hang") await new Promise(() => {});
        return { text: say.text, payload: say.payload };
      },
      repeat,
      join: async (says) => {
        const texts: string[] = [];
        for await (const say of says) texts.push(say.text);
        return { text: texts.join(",") };
      },
      chat: async function* (says) {
        for await (const say of says) yield { text: `<${say.text}>` };
      },
    }),
  ],
  options,
);

async function jsClient(port: number): Promise<grpc.Client & Disposable> {
  const Client = grpc.makeClientConstructor(echoDefinition, "Echo");
  const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

async function jsServer(): Promise<{ port: number } & Disposable> {
  const server = new grpc.Server();
  type Req = { text: string; times: number; payload: Buffer };
  server.addService(echoDefinition, {
    Once: (call: grpc.ServerUnaryCall<Req, Req>, done: grpc.sendUnaryData<Req>) => {
      const { text, times } = call.request;
      if (text === "hang") return;
      if (times < 0) done({ code: -times, details: `${text} – 100%` });
      else done(null, call.request);
    },
    Repeat: (call: grpc.ServerWritableStream<Req, Req>) => {
      const { text, times } = call.request;
      for (let i = 0; i < Math.abs(times); i++)
        call.write({ ...call.request, text: `${text}${i}` });
      if (times < 0) call.emit("error", { code: -times, details: text });
      else if (text !== "hang") call.end();
    },
    Join: (call: grpc.ServerReadableStream<Req, Req>, done: grpc.sendUnaryData<Req>) => {
      const texts: string[] = [];
      call.on("data", (say: Req) => texts.push(say.text));
      call.on("end", () =>
        done(null, { text: texts.join(","), times: 0, payload: Buffer.alloc(0) }),
      );
    },
    Chat: (call: grpc.ServerDuplexStream<Req, Req>) => {
      call.on("data", (say: Req) => call.write({ ...say, text: `<${say.text}>` }));
      call.on("end", () => call.end());
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { port, [Symbol.dispose]: () => server.forceShutdown() };
}

type AnyClient = Record<string, (...args: unknown[]) => grpc.ClientDuplexStream<object, Say>>;

test("grpc-js calls our server: one message each way, with status, text and trailers", async () => {
  await using server = await listenH2(service);
  using client = await jsClient(server.port);
  const call = (
    method: string,
    say: object,
  ): Promise<[Say | undefined, grpc.ServiceError | undefined]> =>
    new Promise((resolve) => {
      (client as unknown as AnyClient)[method]!(say, (error: grpc.ServiceError, rsp: Say) =>
        resolve([rsp, error ?? undefined]),
      );
    });
  const [rsp] = await call("Once", { text: "hällo", payload: Buffer.alloc(80_000, 7) });
  assert.equal(rsp?.text, "hällo");
  assert.equal(rsp?.payload.length, 80_000);
  const [, refused] = await call("Once", { text: "né", times: -5 });
  assert.deepEqual([refused?.code, refused?.details], [GRPC.NOT_FOUND, "né – 100%"]);
  assert.deepEqual(refused?.metadata.get("x-seen"), ["yes"]);
  const [, missing] = await call("Missing", {});
  assert.equal(missing?.code, GRPC.UNIMPLEMENTED);
  const [, large] = await call("Once", { payload: Buffer.alloc(200_000) });
  assert.equal(large?.code, GRPC.RESOURCE_EXHAUSTED);
});

test("grpc-js calls our server: the three kinds of streams", async () => {
  await using server = await listenH2(service);
  using client = await jsClient(server.port);
  const js = client as unknown as AnyClient;
  const repeated = js["Repeat"]!({ text: "r", times: 300, payload: Buffer.alloc(1000) });
  const texts: string[] = [];
  for await (const say of repeated) texts.push((say as Say).text);
  assert.equal(texts.length, 300);
  assert.equal(texts[299], "r299");
  const failing = js["Repeat"]!({ text: "f", times: -2 });
  const seen: string[] = [];
  failing.on("data", (say: Say) => seen.push(say.text));
  const [error] = (await once(failing, "error")) as [grpc.ServiceError];
  assert.deepEqual([seen, error.code], [["f0", "f1"], GRPC.UNKNOWN]);
  const joined = await new Promise<Say>((resolve, reject) => {
    const join = js["Join"]!((failed: Error | null, rsp: Say) =>
      failed ? reject(failed) : resolve(rsp),
    );
    for (const text of ["a", "b", "c"]) join.write({ text });
    join.end();
  });
  assert.equal(joined.text, "a,b,c");
  const chat = js["Chat"]!();
  const answers: string[] = [];
  chat.on("data", (say: Say) => {
    answers.push(say.text);
    if (answers.length < 3) chat.write({ text: String(answers.length) });
    else chat.end();
  });
  chat.write({ text: "0" });
  await once(chat, "end");
  assert.deepEqual(answers, ["<0>", "<1>", "<2>"]);
});

test("grpc-js calls our server: deadlines, cancellation, gzip", async () => {
  const cancelled: string[] = [];
  const watching = grpcService(
    [
      implement(Echo, {
        once: (say, call) => {
          call.onCancel((fault) => cancelled.push(fault.status));
          return say.text === "echo" ? { text: say.text } : new Promise(() => {});
        },
        repeat: () => (outlet) => {
          outlet.send({ text: "first" });
          return () => cancelled.push("closed");
        },
      }),
    ],
    options,
  );
  await using server = await listenH2(watching);
  using client = await jsClient(server.port);
  const js = client as unknown as AnyClient;
  const late = await new Promise<grpc.ServiceError>((resolve) => {
    js["Once"]!({}, { deadline: Date.now() + 50 }, (error: grpc.ServiceError) => resolve(error));
  });
  assert.equal(late.code, GRPC.DEADLINE_EXCEEDED);
  while (cancelled.length < 1) await settle(1);
  const stream = js["Repeat"]!({});
  stream.on("error", () => {});
  await once(stream, "data");
  stream.cancel();
  while (cancelled.length < 2) await settle(1);
  assert.equal(cancelled[1], "closed");
  const Client = grpc.makeClientConstructor(echoDefinition, "Echo");
  using zipping = Object.assign(
    new Client(`127.0.0.1:${server.port}`, grpc.credentials.createInsecure(), {
      "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip,
    }),
    { [Symbol.dispose]: (): void => zipping.close() },
  );
  const echo = await new Promise<Say>((resolve, reject) => {
    (zipping as unknown as AnyClient)["Once"]!({ text: "echo" }, (error: Error | null, rsp: Say) =>
      error ? reject(error) : resolve(rsp),
    );
  });
  assert.equal(echo.text, "echo");
});

// The same laws hold for our client whoever serves.
for (const [name, serve] of [
  ["grpc-js", jsServer],
  ["our", () => listenH2(service)],
] as const) {
  test(`our client calls ${name} server: all four kinds`, async () => {
    const server = await serve();
    await using h2 = await dialH2(server.port);
    const client = grpcClient(Echo, (req) => h2.request(req), "echo:1", options);
    const rsp = await client.once({ text: "hällo", payload: Buffer.alloc(80_000, 7) });
    assert.equal(rsp.text, "hällo");
    assert.equal(rsp.payload.length, 80_000);
    const fault = (await faultOf(client.once({ text: "né", times: -5 }))) as GrpcFault;
    assert.deepEqual(
      [fault.status, fault.message, fault.code],
      ["NOT_FOUND", "né – 100%", "not-found"],
    );
    const missing = (await faultOf(client.missing({}))) as GrpcFault;
    assert.equal(missing.status, "UNIMPLEMENTED");
    const texts: string[] = [];
    for await (const say of client.repeat({ text: "r", times: 300, payload: Buffer.alloc(1000) })) {
      texts.push(say.text);
    }
    assert.equal(texts.length, 300);
    const failing: string[] = [];
    const failed = (await faultOf(
      (async () => {
        for await (const say of client.repeat({ text: "f", times: -9 })) failing.push(say.text);
      })(),
    )) as GrpcFault;
    assert.deepEqual([failed.status, failing.length], ["FAILED_PRECONDITION", 9]);
    async function* says(): AsyncGenerator<{ text: string }> {
      for (const text of ["a", "b", "c"]) {
        await settle(1);
        yield { text };
      }
    }
    assert.equal((await client.join(says())).text, "a,b,c");
    const answers: string[] = [];
    let outlet: Outlet<SayDesc> | undefined;
    for await (const say of client.chat((out) => {
      outlet = out;
      out.send({ text: "0" });
      return () => {};
    })) {
      answers.push(say.text);
      if (answers.length < 3) outlet!.send({ text: String(answers.length) });
      else outlet!.end();
    }
    assert.deepEqual(answers, ["<0>", "<1>", "<2>"]);
    if (Symbol.dispose in server) server[Symbol.dispose]();
    else await server[Symbol.asyncDispose]();
  });

  test(`our client calls ${name} server: deadline, scope, and a loop that is left`, async () => {
    const server = await serve();
    await using h2 = await dialH2(server.port);
    const client = grpcClient(Echo, (req) => h2.request(req), "echo:1", options);
    const late = (await faultOf(client.once({ text: "hang" }, { timeoutMs: 30 }))) as GrpcFault;
    assert.equal(late.status, "DEADLINE_EXCEEDED");
    const scope = new Scope();
    const unwanted = faultOf(client.once({ text: "hang" }, { scope }));
    await settle(5);
    await scope.close();
    assert.equal(((await unwanted) as GrpcFault).status, "CANCELLED");
    for await (const say of client.repeat({ text: "x", times: 1000 })) {
      if (say.text === "x5") break;
    }
    await settle(5);
    assert.equal(h2.load, 0);
    if (Symbol.dispose in server) server[Symbol.dispose]();
    else await server[Symbol.asyncDispose]();
  });
}

test("a call whose scope has closed is not sent", async () => {
  const scope = new Scope();
  await scope.close();
  let sent = 0;
  const service = () => {
    sent += 1;
    return new Promise<HttpRsp>(() => {});
  };
  const client = grpcClient(Echo, service, "echo:1", options);
  const fault = await faultOf(client.once({ text: "late" }, { scope }));
  assert.equal((fault as GrpcFault).status, "CANCELLED");
  assert.equal(sent, 0);
});

test("a fast method waits for a slow client", async () => {
  let sent = 0;
  const endless = grpcService(
    [
      implement(Echo, {
        repeat: async function* () {
          for (;;) {
            sent++;
            yield { payload: Buffer.alloc(10_000) };
          }
        },
      }),
    ],
    options,
  );
  await using server = await listenH2(endless);
  await using h2 = await dialH2(server.port);
  const client = grpcClient(Echo, (req) => h2.request(req), "echo:1", options);
  const stream = client.repeat({})[Symbol.asyncIterator]();
  await stream.next();
  // However busy the machine is, it comes to rest, and long before a message for each turn.
  let before: number;
  do {
    before = sent;
    assert.ok(before < 100, `${before} messages`);
    await settle(200);
  } while (sent > before);
  for (let i = 0; i < 50; i++) await stream.next();
  assert.ok(sent > before);
  await stream.return(undefined);
});

test("answers that are not gRPC become statuses, and so do resets", async () => {
  const answers: Record<string, () => Promise<HttpRsp>> = {
    UNAVAILABLE: async () => new HttpRsp(503, [], Body.of("no"), 20),
    UNKNOWN: async () => new HttpRsp(200, ["content-type", "text/html"], Body.of("<p>"), 20),
    INTERNAL: async () => new HttpRsp(200, ["content-type", "application/grpc"], Body.empty, 20),
    RESOURCE_EXHAUSTED: () => Promise.reject(new GrpcFault("RESOURCE_EXHAUSTED", "x")),
  };
  for (const [status, service] of Object.entries(answers)) {
    const client = grpcClient(Echo, service, "echo:1", options);
    assert.equal(((await faultOf(client.once({}))) as GrpcFault).status, status);
  }
});

test("what is not gRPC is refused with 415", async () => {
  await using server = await listenH2(service);
  await using h2 = await dialH2(server.port);
  const rsp = await h2.request(request("POST", "/test.echo.Echo/Once", Body.of("{}")));
  assert.equal(rsp.status, 415);
});
