// Fields that stay behind when a message is forwarded, and fields as they are written.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Headers } from "./headers.ts";
import { stripHopByHop } from "./hopbyhop.ts";
import { ANY_LENGTH, Http1Printer, NO_LENGTH } from "./http1print.ts";

test("fields of the connection, and those it nominates, go", () => {
  const strip = (headers: Headers, tunnelling?: boolean): Headers => {
    stripHopByHop(headers, tunnelling);
    return headers;
  };
  assert.deepEqual(strip(["a", "1", "B", "2"]), ["a", "1", "B", "2"]);
  assert.deepEqual(strip(["x-a", "1", "Connection", "X-A , close", "b", "2"]), ["b", "2"]);
  assert.deepEqual(strip(["Keep-Alive", "5", "Proxy-Connection", "close", "b", "2"]), ["b", "2"]);
  assert.deepEqual(strip(["TE", "trailers;q=1, gzip"]), [], "trailers takes no weight");
  assert.deepEqual(strip(["connection", "te", "te", "gzip, Trailers"]), ["te", "trailers"]);
  assert.deepEqual(strip(["transfer-encoding", "chunked", "trailer", "x"]), ["trailer", "x"]);
  const upgrade = ["Connection", "upgrade", "Upgrade", "websocket"];
  assert.deepEqual(strip(upgrade.slice()), []);
  assert.deepEqual(strip(upgrade.slice(), true), ["Upgrade", "websocket"]);
  // Whoever nominates what frames or addresses the message wants to hide it from the next hop.
  const nominated = ["Host", "a", "Connection", "host, content-length", "Content-Length", "3"];
  assert.deepEqual(strip(nominated), ["Host", "a", "Content-Length", "3"]);
});

test("printing makes Host and Content-Length agree with the message", () => {
  const printer = new Http1Printer();
  const print = (headers: Headers, length: number, host?: string): string =>
    printer.print(headers, length, host).replaceAll("\r\n", "|");
  assert.equal(print(["A", "1", "b", "2"], NO_LENGTH), "A: 1|b: 2|");
  assert.equal(print(["A", "1", "b", "2"], 0), "A: 1|b: 2|");
  assert.equal(print(["A", "1", "b", "2"], 5), "A: 1|b: 2|content-length: 5|");
  const lengths = ["Content-Length", "3", "a", "1", "content-length", "4"];
  assert.equal(print(lengths, 7), "Content-Length: 7|a: 1|");
  assert.equal(print(lengths, 0), "Content-Length: 0|a: 1|");
  assert.equal(print(lengths, NO_LENGTH), "a: 1|");
  assert.equal(print(["Content-Length", "3"], ANY_LENGTH), "Content-Length: 3|");
  const connection = ["connection", "close", "Transfer-Encoding", "chunked", "a", "1"];
  assert.equal(print(connection, NO_LENGTH), "a: 1|");
  assert.equal(print(["HOST", "x", "a", "1", "host", "z"], NO_LENGTH, "y"), "HOST: y|a: 1|");
  assert.equal(print(["a", "1"], NO_LENGTH, "y"), "Host: y|a: 1|");
  assert.equal(print(["host", "x"], NO_LENGTH), "host: x|");
});

test("the printer remembers by value", () => {
  const printer = new Http1Printer();
  const headers = ["a", "1"];
  assert.equal(printer.print(headers, NO_LENGTH, undefined), "a: 1\r\n");
  assert.equal(printer.print(["a", "1"], NO_LENGTH, undefined), "a: 1\r\n");
  headers[1] = "2";
  assert.equal(printer.print(headers, NO_LENGTH, undefined), "a: 2\r\n");
  headers.push("b", "3");
  assert.equal(printer.print(headers, NO_LENGTH, undefined), "a: 2\r\nb: 3\r\n");
  assert.equal(printer.print(headers, NO_LENGTH, "h"), "Host: h\r\na: 2\r\nb: 3\r\n");
});
