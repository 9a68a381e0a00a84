// Requests and responses for tests of filters: plain values around lambdas, with everything that a test does not
// care about filled in.

import type { VirtualClock } from "../../src/base/clock.ts";
import type { Fault } from "../../src/base/fault.ts";
import { Body, type Origin } from "../../src/io/body.ts";
import type { Peer, TlsStatus } from "../../src/io/conn.ts";
import { HttpReq, HttpRsp, type HttpVersion } from "../../src/io/message.ts";
import type { HttpService } from "../../src/stack/types.ts";

export type ReqParts = {
  method?: string;
  path?: string;
  authority?: string;
  version?: HttpVersion;
  headers?: string[];
  body?: Body | string;
  peer?: Peer;
  at?: number;
};

/** A client at 10.0.0.1, with `identity` if given. */
export function peer(identity?: string, ip = "10.0.0.1"): Peer {
  const tls: TlsStatus =
    identity === undefined
      ? { kind: "no_identity", reason: "no_tls_from_remote" }
      : { kind: "true", identity, alpn: undefined };
  const original = { ip: "10.9.9.9", port: 8080 };
  return { remote: { ip, port: 40_000 }, local: original, original, tls };
}

export function request(parts: ReqParts = {}): HttpReq {
  const { body = Body.empty } = parts;
  return new HttpReq(
    parts.method ?? "GET",
    parts.path ?? "/",
    parts.authority ?? "web.example:80",
    parts.version ?? 11,
    parts.headers ?? [],
    typeof body === "string" ? Body.of(body) : body,
    parts.peer ?? peer(),
    parts.at ?? 0,
  );
}

export function response(
  status = 200,
  headers: string[] = [],
  body: Body | string = Body.empty,
  version: HttpVersion = 11,
): HttpRsp {
  return new HttpRsp(status, headers, typeof body === "string" ? Body.of(body) : body, version);
}

/** A gRPC response with its status in the trailers, or in the head when it has no messages. */
export function grpcResponse(status: number, message?: string): HttpRsp {
  const headers = ["content-type", "application/grpc"];
  const trailers = ["grpc-status", String(status)];
  if (message === undefined) return response(200, [...headers, ...trailers], Body.empty, 20);
  return response(200, headers, Body.of(message, trailers), 20);
}

/** A service that answers with each of `answers` in turn, the last one for good, and remembers what it was asked. */
export function scripted(
  ...answers: ((req: HttpReq) => HttpRsp | Promise<HttpRsp> | Fault)[]
): HttpService & { readonly seen: HttpReq[] } {
  const seen: HttpReq[] = [];
  const service = async (req: HttpReq): Promise<HttpRsp> => {
    const answer = answers[Math.min(seen.length, answers.length - 1)]!;
    seen.push(req);
    const outcome = await answer(req);
    if (outcome instanceof HttpRsp) return outcome;
    throw outcome;
  };
  return Object.assign(service, { seen });
}

/** A body that streams, with a record of what its consumer asked of it. */
export function streaming(length?: number): { body: Body; asked: string[] } {
  const asked: string[] = [];
  const origin: Origin = {
    resume: () => asked.push("resume"),
    cancel: (fault) => asked.push(`cancel ${fault.code}`),
  };
  return { body: Body.stream(origin, length), asked };
}

/** The text of a whole body. */
export async function textOf({ body }: { body: Body }): Promise<string> {
  const bytes = await body.read(1e6, () => {
    throw new Error("too large");
  });
  return bytes.toString();
}

/** Lets all promises that can settle do so. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Moves `clock` by `ms` in steps of `stepMs`, letting promises settle on the way. */
export async function pass(clock: VirtualClock, ms: number, stepMs = ms): Promise<void> {
  await turn();
  for (let done = 0; done < ms; done += stepMs) {
    clock.advance(Math.min(stepMs, ms - done));
    await turn();
  }
}
