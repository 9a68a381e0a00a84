// Codecs under mutated input: they never throw anything but a Fault, do not care how bytes are cut, agree with the
// strict reader on what is a request, and a parser that has seen others reads like a new one.

import assert from "node:assert/strict";
import { Fault } from "../../src/base/fault.ts";
import { ChunkedDecoder } from "../../src/wire/chunked.ts";
import { parseClientHello } from "../../src/wire/clienthello.ts";
import { FrameReader } from "../../src/wire/framereader.ts";
import { EnvelopeReader } from "../../src/wire/grpc.ts";
import { HpackDecoder } from "../../src/wire/hpackdecoder.ts";
import { CHUNKED, RequestParser, ResponseParser } from "../../src/wire/http1.ts";
import { judge } from "../../src/wire/preface.ts";
import { decodeTransportHeader, encodeTransportHeader } from "../../src/wire/transportheader.ts";
import { gradeRequest } from "../conformance/strict.ts";
import { fuzz } from "./fuzz.ts";
import { clientConversations, pieces, requests, responses } from "./mutate.ts";

const frames = clientConversations();

fuzz("requests: what is accepted is beyond doubt", requests, (input) => {
  const parser = new RequestParser();
  const size = tried(() => parser.parse(input));
  if (!size) return;
  const graded = gradeRequest(rewritten(parser, input.subarray(size)));
  assert.ok(
    graded.kind === "whole" || graded.kind === "partial",
    `accepted although ${"why" in graded ? graded.why : ""}`,
  );
});

const seasoned = new RequestParser();
fuzz("requests: a parser that has seen others reads like a new one", requests, (input) => {
  const fresh = new RequestParser();
  const [a, b] = [tried(() => fresh.parse(input)), tried(() => seasoned.parse(input))];
  assert.equal(b, a);
  if (a) assert.deepEqual(summary(seasoned), summary(fresh));
});

fuzz(
  "requests: a head that came in part reads like one that came at once",
  requests,
  (input, random) => {
    const parser = new RequestParser();
    const whole = tried(() => parser.parse(input));
    const cut = random.below(input.length + 1);
    const part = tried(() => new RequestParser().parse(input.subarray(0, cut)));
    // A part is incomplete, or already as good or as bad as the whole.
    if (part === undefined) assert.equal(whole, undefined, `the first ${cut} bytes are refused`);
    else if (part > 0) assert.equal(whole, part);
  },
);

fuzz("responses", responses, (input) => {
  const parser = new ResponseParser();
  tried(() => parser.parse(input) && parser.framing("GET"));
});

fuzz("chunks do not care how they are cut", requests.map(afterHead), (input, random) => {
  const read = (pieces: readonly Buffer[]): unknown => {
    const decoder = new ChunkedDecoder("request");
    const data: Buffer[] = [];
    const good = tried(() => {
      for (const piece of pieces)
        decoder.decode(piece, 0, { push: (part) => data.push(Buffer.from(part)) });
      return true;
    });
    return (
      good && {
        data: Buffer.concat(data).toString("latin1"),
        trailers: decoder.trailers ?? [],
        done: decoder.done,
      }
    );
  };
  // A line of the trailers is read when it has ended, unless it came at once.
  const end = Buffer.from("\n");
  assert.deepEqual(read([...pieces(input, random), end]), read([input, end]));
});

fuzz("frames do not care how they are cut", frames, (input, random) => {
  assert.deepEqual(framesOf(pieces(input, random)), framesOf([input]));
});

fuzz("header blocks", frames, (input) => {
  const decoder = new HpackDecoder(16_384);
  const error = decoder.decode(input, 0, input.length);
  assert.ok(error !== null || decoder.tooLarge || decoder.length % 2 === 0);
});

fuzz("gRPC envelopes do not care how they are cut", frames, (input, random) => {
  const read = (parts: readonly Buffer[]): unknown => {
    const reader = new EnvelopeReader(1_000);
    const messages: string[] = [];
    for (const part of parts) {
      const beyond = reader.push(part, (message, compressed) =>
        messages.push(`${compressed} ${message.toString("hex")}`),
      );
      if (beyond !== undefined) return [messages, beyond];
    }
    return [messages, reader.complete];
  };
  assert.deepEqual(read(pieces(input, random)), read([input]));
});

fuzz("what the first bytes say stays said", [...requests, ...frames], (input, random) => {
  const early = judge(input.subarray(0, random.below(input.length + 1)));
  if (early !== "undecided") assert.equal(judge(input), early);
  parseClientHello(input);
});

fuzz(
  "transport headers",
  [encodeTransportHeader({ port: 8080, name: "a.b", protocol: undefined })],
  (input) => {
    tried(() => decodeTransportHeader(input));
  },
);

/** What `read` returns, or undefined when it throws a Fault; anything else that it throws is a bug. */
function tried<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

/** The request as a proxy would send it on: the fields that were kept, framed as was understood, and what came after. */
function rewritten(
  { method, path, authority, version, fields, framing }: RequestParser,
  rest: Buffer,
): Buffer {
  const lines = [`${method} ${path || authority} HTTP/1.${version - 10}`];
  for (let i = 0; i < fields.headers.length; i += 2) {
    const name = fields.headers[i]!;
    if (!/^(?:content-length|transfer-encoding)$/i.test(name))
      lines.push(`${name}: ${fields.headers[i + 1]}`);
  }
  if (framing === CHUNKED) lines.push("Transfer-Encoding: chunked");
  else if (framing > 0) lines.push(`Content-Length: ${framing}`);
  // How the chunks read is another test's matter.
  const body = framing === CHUNKED ? Buffer.from("0\r\n\r\n") : rest;
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body]);
}

function summary(parser: RequestParser): unknown {
  const { method, path, authority, scheme, version, framing, persistent, upgrade } = parser;
  const { headers, expect, takesTrailers } = parser.fields;
  return {
    method,
    path,
    authority,
    scheme,
    version,
    framing,
    persistent,
    upgrade,
    headers,
    expect,
    takesTrailers,
  };
}

function afterHead(request: Buffer): Buffer {
  const end = request.indexOf("\r\n\r\n");
  return end < 0 ? request : request.subarray(end + 4);
}

/** All that a frame reader reports, with DATA put together, since its pieces follow the cuts. */
function framesOf(chunks: readonly Buffer[]): unknown[] {
  const events: unknown[] = [];
  let data: { id: number; bytes: number; flow: number } | undefined;
  const flush = (): void => {
    if (data !== undefined) events.push(["data", data]);
    data = undefined;
  };
  const note = (...event: unknown[]): void => {
    flush();
    events.push(event);
  };
  const reader = new FrameReader(
    {
      onData: (id, _chunk, start, end, flowBytes, first, ends) => {
        if (first) flush();
        data ??= { id, bytes: 0, flow: 0 };
        data.bytes += end - start;
        data.flow += flowBytes;
        if (ends) note("end", id);
      },
      onHeaders: (id, block, start, end, ends) =>
        note("headers", id, block.subarray(start, end).toString("hex"), ends),
      onReset: (id, code) => note("reset", id, code),
      onSettings: (chunk, start, end) =>
        note("settings", chunk.subarray(start, end).toString("hex")),
      onSettingsAck: () => note("settings ack"),
      onPing: (ack, high, low) => note("ping", ack, high, low),
      onGoAway: (last, code, reason) => note("goaway", last, code, reason),
      onWindowUpdate: (id, increment) => note("window", id, increment),
      onError: ({ code, streamId }) => note("error", code, streamId),
    },
    true,
    16_384,
  );
  for (const chunk of chunks) reader.read(chunk);
  // The last piece of a DATA frame may still be under way: how much of it was seen does not count.
  return events;
}
