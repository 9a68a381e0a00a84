// Compresses responses on their way to the client: texts that are not compressed yet, where the client takes gzip or
// deflate. What is not compressed passes by reference as ever.

import type { Gzip, Deflate } from "node:zlib";
import { Fault } from "../base/fault.ts";
import { Body, type Origin, type Sink } from "../io/body.ts";
import { keep } from "../io/memory.ts";
import type { HttpRsp } from "../io/message.ts";
import { hasToken, header, joined, removeHeader, setHeader } from "../wire/headers.ts";
import type { HttpFilter } from "./types.ts";

const DEFAULT_LEVEL = 6;
const TEXTUAL =
  /^(?:text\/|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|ecmascript|x-javascript|atom|rss)|image\/svg)/i;

/** Compresses texts at `level` (1 to 9, or -1 for the default of 6); 0 is no filter at all. */
export function compress(level: number): HttpFilter {
  if (level === 0) return (next) => next;
  return (next) =>
    function compress(req) {
      const accepted = joined(req.headers, "accept-encoding");
      if (accepted === undefined || req.method === "HEAD") return next(req);
      const coding = codingOf(accepted);
      if (coding === undefined) return next(req);
      return next(req).then((rsp) => {
        if (isCompressible(rsp)) apply(rsp, coding, level < 0 ? DEFAULT_LEVEL : level);
        return rsp;
      });
    };
}

type Coding = "gzip" | "deflate";

// RFC 9110 §12.5.3; a weight of 0 is a refusal.
function codingOf(accepted: string): Coding | undefined {
  const wanted = accepted
    .split(",")
    .filter((part) => !/;\s*q=0(?:\.0*)?\s*$/.test(part))
    .map((part) => part.split(";")[0]!)
    .join(",");
  if (hasToken(wanted, "gzip")) return "gzip";
  return hasToken(wanted, "deflate") ? "deflate" : undefined;
}

function isCompressible({ status, headers, body, tunnel }: HttpRsp): boolean {
  if (body.isEmpty || tunnel !== undefined || status === 204 || status === 206 || status === 304) {
    return false;
  }
  return (
    TEXTUAL.test(header(headers, "content-type") ?? "") &&
    header(headers, "content-encoding") === undefined &&
    !hasToken(joined(headers, "cache-control"), "no-transform")
  );
}

function apply(rsp: HttpRsp, coding: Coding, level: number): void {
  const { headers } = rsp;
  rsp.body = new Compressed(rsp.body, coding, level).body;
  removeHeader(headers, "content-length");
  setHeader(headers, "content-encoding", coding);
  const vary = joined(headers, "vary");
  if (!hasToken(vary, "accept-encoding")) {
    setHeader(headers, "vary", vary === undefined ? "accept-encoding" : `${vary}, accept-encoding`);
  }
  // A strong validator names these very bytes (RFC 9110 §8.8.1).
  const etag = header(headers, "etag");
  if (etag?.startsWith('"')) setHeader(headers, "etag", `W/${etag}`);
}

// A body between its origin and a body of compressed bytes.
class Compressed implements Sink, Origin {
  readonly body: Body;
  private readonly source: Body;
  private readonly zip: Gzip | Deflate;
  private trailers: string[] | undefined;
  private started: boolean;

  constructor(source: Body, coding: Coding, level: number) {
    this.source = source;
    this.body = Body.stream(this);
    // Loaded with the first response that is compressed, for it is 2 MB, and at once, for that response is here.
    const { createGzip, createDeflate } = process.getBuiltinModule("node:zlib");
    this.zip = coding === "gzip" ? createGzip({ level }) : createDeflate({ level });
    this.trailers = undefined;
    this.started = false;
    this.zip.on("data", (chunk: Buffer) => {
      if (!this.body.push(chunk)) this.zip.pause();
    });
    this.zip.on("end", () => this.body.finish(this.trailers));
    this.zip.on("drain", () => this.source.resume());
    this.zip.on("error", (error) => {
      const fault = new Fault("unexpected", `compression failed: ${error.message}`, {
        cause: error,
      });
      this.source.cancel(fault);
      this.body.abort(fault);
    });
  }

  chunk(chunk: Buffer): boolean {
    return this.zip.write(keep(chunk));
  }

  end(trailers: string[] | undefined): void {
    this.trailers = trailers;
    this.zip.end();
  }

  abort(fault: Fault): void {
    this.zip.destroy();
    this.body.abort(fault);
  }

  resume(): void {
    this.zip.resume();
    if (this.started) return;
    this.started = true;
    this.source.to(this);
  }

  cancel(fault: Fault): void {
    this.zip.destroy();
    this.source.cancel(fault);
  }
}
