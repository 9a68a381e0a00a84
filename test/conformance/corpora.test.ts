// The public corpora of malformed and smuggled requests against everything of ours that speaks HTTP/1: each request is
// refused, or a strict reader finds nothing to object to in what a server got of it. HTTP_CORPORA is a folder with clones
// of llhttp, smuggler, http-request-smuggling, h1spec and Http11Probe (see corpora.ts).
// Needs: HTTP_CORPORA.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readCorpora, readResponses, type Sample } from "./corpora.ts";
import { type Front, FRONTS, type Fronts, startFronts } from "./fronts.ts";
import { exchange, responses } from "./raw.ts";
import { plain, type Verdict } from "./recorder.ts";
import { gradeResponse } from "./strict.ts";

const folder = process.env["HTTP_CORPORA"]!;
/** Long enough for an answer; what waits for more bytes is not answered at all. */
const QUIET_MS = 60;
const TIMEOUT_MS = 1_800_000;

let fronts: Fronts;
before(async () => {
  fronts = await startFronts();
});
after(() => fronts.stop());

for (const front of FRONTS) {
  for (const [corpus, samples] of Object.entries(readCorpora(folder)))
    test(`${corpus}, ${front}`, { timeout: TIMEOUT_MS }, async (t) => {
      assert.ok(samples.length > 0, `${folder} has no samples of ${corpus}`);
      const sum = { rejected: 0, normalised: 0, malformed: 0, ambiguous: 0 };
      const bad: string[] = [];
      for (const sample of samples) {
        const verdict = await verdictOf(front, sample);
        if (verdict === "malformed" || verdict === "ambiguous") {
          const [flaw] = fronts.ways.recorder.flaws;
          bad.push(
            `${sample.name}: ${flaw?.why}: ${JSON.stringify(sample.bytes.toString("latin1"))}`,
          );
        }
        sum[verdict === "nothing" || verdict === "partial" ? "rejected" : verdict] += 1;
      }
      const line = Object.entries(sum).map(([kind, count]) => `${kind} ${count}`);
      t.diagnostic(`${samples.length}: ${line.join(", ")}`);
      assert.deepEqual(bad, []);
      await probe(front);
    });

  test(`responses of llhttp, ${front}`, { timeout: TIMEOUT_MS }, async (t) => {
    const samples = readResponses(folder);
    assert.ok(samples.length > 0, `${folder} has no responses of llhttp`);
    const { recorder } = fronts.ways;
    let passed = 0;
    for (const { name, bytes } of samples) {
      recorder.answer = () => ({ bytes, close: true });
      const sent = "GET /it HTTP/1.1\r\nHost: h\r\n\r\n";
      const { text } = await exchange(await fronts.dial(front), sent, ["GET"], 1_000);
      recorder.answer = plain;
      const graded = gradeResponse(Buffer.from(text, "latin1"), "GET");
      const isGood = graded.kind === "whole" || graded.kind === "partial";
      assert.ok(isGood, `${name}: ${JSON.stringify(text)}`);
      if (graded.kind === "whole" && !/^HTTP\/1.1 50[23] /.test(text)) passed += 1;
    }
    t.diagnostic(`${samples.length} responses: ${passed} passed on, the others refused or cut`);
    await probe(front);
  });
}

async function verdictOf(front: Front, { bytes }: Sample): Promise<Verdict> {
  const { recorder } = fronts.ways;
  recorder.reset();
  await exchange(await fronts.dial(front), bytes, ["GET"], QUIET_MS);
  return recorder.verdict;
}

/** A good request gets its own answer, whatever came before on the connections behind the proxy. */
async function probe(front: Front): Promise<void> {
  const target = `/probe-${fronts.ways.next()}`;
  const sent = `GET ${target} HTTP/1.1\r\nHost: h\r\n\r\n`;
  const { text } = await exchange(await fronts.dial(front), sent, ["GET"], 5_000);
  assert.equal(responses(text, ["GET"])[0]?.body, `GET ${target} 0`, "it got another's answer");
}
