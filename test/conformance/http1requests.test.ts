// Raw requests through the proxy, each graded by what a raw server got of it: nothing that two readers could read
// differently may ever be sent on, nor anything that follows a request that was refused on its connection.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { exchange, type Reply, responses } from "./raw.ts";
import { type Case, REQUESTS } from "./requests.ts";
import { startWays, type Way, WAYS, type Ways } from "./ways.ts";

/** What a proxy may answer a request with that it refuses; no answer at all is fine as well. */
const REFUSALS = new Set([400, 404, 405, 408, 411, 413, 414, 417, 421, 426, 431, 501, 505]);
const AFTER = "GET /after HTTP/1.1\r\nHost: h\r\n\r\n";

let ways: Ways;
before(async () => {
  ways = await startWays();
});
after(() => ways.stop());

for (const way of WAYS) {
  describe(`requests, ${way}`, () => {
    for (const it of REQUESTS) test(it.name, () => run(it, way));
  });
}

async function run(it: Case, way: Way): Promise<void> {
  const { recorder } = ways;
  recorder.reset();
  const refused = it.expect === "reject";
  const method = it.bytes.trimStart().split(" ")[0]!;
  const methods = Array.from({ length: it.count }, () => method);
  const at = ways.at(way, "http1");
  const reply = await exchange(at, refused ? it.bytes + AFTER : it.bytes, methods);
  const said = responses(reply.text, methods);

  const { verdict } = recorder;
  assert.deepEqual(recorder.flaws, [], `sent on: ${JSON.stringify(recorder.raw.slice(0, 500))}`);
  const targets = recorder.messages.map(({ target }) => target);
  assert.ok(!targets.includes("/smuggled"), "a request inside of another was taken for one");
  if (refused) {
    assert.ok(!targets.includes("/after"), "what followed a bad request was sent on");
    // A part may have been on its way when the bad byte came; it must never become whole.
    assert.equal(
      recorder.messages.length,
      0,
      `sent on: ${JSON.stringify(recorder.raw.slice(0, 500))}`,
    );
    assert.ok(
      said.every(({ status }) => REFUSALS.has(status)),
      `answered ${reply.text.slice(0, 200)}`,
    );
  } else if (it.expect === "forward") {
    assert.equal(verdict, "normalised", explain(reply));
    assert.equal(recorder.messages.length, it.count);
    for (const { status } of said) assert.equal(status, 200);
    assert.equal(said.length, it.count, explain(reply));
  } else
    assert.ok(recorder.messages.length <= it.count, `${recorder.messages.length} were sent on`);

  await probe(at);
}

/** A good request gets its own answer, whatever came before on the connections behind the proxy. */
async function probe(at: Parameters<typeof exchange>[0]): Promise<void> {
  const target = `/probe-${ways.next()}`;
  const reply = await exchange(at, `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`, ["GET"], 5_000);
  const [said] = responses(reply.text, ["GET"]);
  assert.equal(said?.body, `GET ${target} 0`, "the next request got another's answer");
}

function explain({ text, closed }: Reply): string {
  return `answered ${JSON.stringify(text.slice(0, 200))}${closed ? ", then closed" : ""}`;
}
