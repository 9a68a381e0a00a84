// Raw responses through the proxy: what is bad must not reach the client as if it were good, what is cut short must not
// look complete, and what a server sends beyond its answer must reach no other request.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type At, exchange, responses } from "./raw.ts";
import { plain } from "./recorder.ts";
import { type ResponseCase, RESPONSES } from "./responses.ts";
import { gradeResponse } from "./strict.ts";
import { startWays, type Way, WAYS, type Ways } from "./ways.ts";

let ways: Ways;
before(async () => {
  ways = await startWays();
});
after(() => ways.stop());

for (const way of WAYS) {
  describe(`responses, ${way}`, () => {
    for (const it of RESPONSES) test(it.name, () => run(it, way));
    test("an answer before the question", () => unasked(way));
  });
}

async function run(it: ResponseCase, way: Way): Promise<void> {
  const { recorder } = ways;
  const at = ways.at(way, "http1");
  const target = `/it-${ways.next()}`;
  recorder.answer = (message) =>
    message.target === target ? { bytes: it.bytes, close: it.close } : plain(message);
  const request = `${it.method} ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
  const { text, closed } = await exchange(at, request, [it.method], 400);
  const [said] = responses(text, [it.method]);
  const shown = JSON.stringify(text.slice(0, 300));

  if (said === undefined) {
    assert.notEqual(it.expect, "forward", `the client got ${shown}`);
    assert.ok(closed || text === "", `the client waits after ${shown}`);
    const graded = gradeResponse(Buffer.from(withoutInterim(text), "latin1"), it.method);
    assert.ok(
      graded.kind !== "ambiguous" && graded.kind !== "malformed",
      `the client got ${shown}`,
    );
  } else if (it.expect === "refuse") {
    assert.ok([502, 503, 504].includes(said.status), `the client got ${shown}`);
  } else if (it.expect === "forward") {
    assert.equal(said.status, it.status, shown);
    assert.equal(said.body, it.body, shown);
  } else if (said.status === 200) assert.ok(!said.body.includes("evil"), shown);

  await probe(at);
}

/** A server that sends a response on an idle connection has it thrown away, with the connection. */
async function unasked(way: Way): Promise<void> {
  const { recorder } = ways;
  const at = ways.at(way, "http1");
  recorder.answer = (message, socket) => {
    setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"), 20);
    return plain(message);
  };
  await probe(at);
  await new Promise((later) => setTimeout(later, 100));
  recorder.answer = plain;
  await probe(at);
}

async function probe(at: At): Promise<void> {
  const target = `/probe-${ways.next()}`;
  const reply = await exchange(at, `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`, ["GET"], 5_000);
  const [said] = responses(reply.text, ["GET"]);
  assert.equal(said?.body, `GET ${target} 0`, "the next request got another's answer");
}

/** `text` from its first final response on. */
function withoutInterim(text: string): string {
  return text.replace(/^(?:HTTP\/1\.1 1\d\d [^]*?\r\n\r\n)+/, "");
}
