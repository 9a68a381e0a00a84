// Raw requests through the proxy, each graded by what a raw server got of it: nothing that two readers could read
// differently may ever be sent on, nor anything that follows a request that was refused on its connection.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Front, FRONTS, type Fronts, startFronts } from "./fronts.ts";
import { exchange, type Reply, responses } from "./raw.ts";
import { type Case, REQUESTS } from "./requests.ts";

/** What a proxy may answer a request with that it refuses; no answer at all is fine as well. */
const REFUSALS = new Set([400, 404, 405, 408, 411, 413, 414, 417, 421, 426, 431, 501, 505]);
const AFTER = "GET /after HTTP/1.1\r\nHost: h\r\n\r\n";

let fronts: Fronts;
before(async () => {
  fronts = await startFronts();
});
after(() => fronts.stop());

for (const front of FRONTS) {
  describe(`requests, ${front}`, () => {
    for (const it of REQUESTS) test(it.name, () => run(it, front));
  });
}

async function run(it: Case, front: Front): Promise<void> {
  const { recorder } = fronts.ways;
  recorder.reset();
  const refused = it.expect === "reject";
  const method = it.bytes.trimStart().split(" ")[0]!;
  const methods = Array.from({ length: it.count }, () => method);
  const socket = await fronts.dial(front);
  const reply = await exchange(socket, refused ? it.bytes + AFTER : it.bytes, methods);
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

  await probe(front);
}

/** A good request gets its own answer, whatever came before on the connections behind the proxy. */
async function probe(front: Front): Promise<void> {
  const target = `/probe-${fronts.ways.next()}`;
  const socket = await fronts.dial(front);
  const reply = await exchange(socket, `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`, ["GET"], 5_000);
  const [said] = responses(reply.text, ["GET"]);
  assert.equal(said?.body, `GET ${target} 0`, "the next request got another's answer");
}

function explain({ text, closed }: Reply): string {
  return `answered ${JSON.stringify(text.slice(0, 200))}${closed ? ", then closed" : ""}`;
}
