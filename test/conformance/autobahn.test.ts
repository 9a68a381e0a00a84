// Autobahn's WebSocket suite through everything of ours that speaks HTTP/1: each case ends as it does without a proxy.
// AUTOBAHN names the suite's program, and the server is one of Python's `websockets`, of the `python3` in PATH.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { carry, type Front, FRONTS, type Fronts, startFronts } from "./fronts.ts";
import type { At } from "./raw.ts";

const program = process.env["AUTOBAHN"] ?? "";
const skip =
  program === "" &&
  "AUTOBAHN names no wstest: install autobahntestsuite from PyPI for Python 2.7 (with pip 20.3.4, setuptools 44.0.0), and websockets for python3";

/** All of the protocol, and the first of each kind of what takes long: bulk, and compression. */
// oxfmt-ignore
const CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.1.1", "9.1.2", "9.1.3", "9.2.1", "9.2.2", "9.2.3", "9.3.7", "9.4.7",
  "9.5.1", "9.6.1", "9.7.1", "9.8.1", "10.*", "12.1.1", "12.1.2", "12.2.1", "13.1.1", "13.2.1"];

const ECHO = `
import asyncio, sys
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

async def echo(socket):
    try:
        async for message in socket:
            await socket.send(message)
    except ConnectionClosed:
        pass

async def main():
    async with serve(echo, sys.argv[1:], 8080, max_size=2**25):
        await asyncio.Future()

asyncio.run(main())
`;

/** How a case ended, in the words of the suite. */
type Outcome = {
  readonly behavior: string;
  readonly behaviorClose: string;
  readonly remoteCloseCode: number | null;
};
type Outcomes = Readonly<Record<string, Outcome | undefined>>;

const run = promisify(execFile);

describe("Autobahn", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "linkerd-autobahn-"));
  const outcomes = {} as Record<Front | "direct", Outcomes>;
  const carriers: Server[] = [];
  let server: ChildProcess | undefined;
  let fronts: Fronts | undefined;

  before(async () => {
    fronts = await startFronts();
    const { ways, dial } = fronts;
    await ways.recorder.close();
    const ends = [ways.end("outbound", "http1"), ways.end("pair", "http1")] as const;
    server = spawn("python3", ["-c", ECHO, ...ends.map(({ host }) => host)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    await Promise.all(ends.map((end) => listening(end, server!)));
    for (const front of FRONTS)
      carriers.push(await carry({ host: "127.0.0.1", port: 0 }, () => dial(front)));
    // All at once: they mostly wait.
    const through = FRONTS.map(async (front, i) => {
      const { port } = carriers[i]!.address() as AddressInfo;
      outcomes[front] = await outcomesAt({ host: "127.0.0.1", port }, join(folder, front));
    });
    const without = async (): Promise<void> => {
      outcomes.direct = await outcomesAt(ends[0], join(folder, "direct"));
    };
    await Promise.all([without(), ...through]);
  });
  after(async () => {
    server?.kill();
    for (const carrier of carriers) carrier.close();
    await fronts?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test("without a proxy", (t) => {
    t.diagnostic(sumOf(outcomes.direct));
    assert.ok(Object.keys(outcomes.direct).length > 250, "only a part of the cases was run");
  });

  for (const front of FRONTS)
    test(front, (t) => {
      t.diagnostic(sumOf(outcomes[front]));
      assert.deepEqual(differing(outcomes[front], outcomes.direct), []);
    });
});

/** Waits until something accepts at `at`. */
async function listening(at: At, server: ChildProcess): Promise<void> {
  const accepts = (): Promise<boolean> =>
    new Promise((done) => {
      const socket = connect(at, () => socket.destroy());
      socket.on("error", () => {}).on("close", (failed) => done(!failed));
    });
  while (!(await accepts())) {
    assert.equal(server.exitCode, null, "the server does not start: has python3 websockets?");
    await sleep(50);
  }
}

/** What the cases come to against the server at `at`. */
async function outcomesAt({ host, port }: At, outdir: string): Promise<Outcomes> {
  const spec = `${outdir}.json`;
  const servers = [{ agent: "it", url: `ws://${host}:${port}` }];
  writeFileSync(spec, JSON.stringify({ outdir, servers, cases: CASES, "exclude-cases": [] }));
  await run(program, ["-m", "fuzzingclient", "-s", spec], { maxBuffer: 1 << 26 });
  const report = JSON.parse(readFileSync(join(outdir, "index.json"), "utf8")) as { it: Outcomes };
  return report.it;
}

/** Cases that ended otherwise. Whether a server saw a mistake before or after it answered (NON-STRICT) is chance. */
function differing(some: Outcomes, others: Outcomes): string[] {
  const told = (all: Outcomes, id: string): string => {
    const { behavior, behaviorClose, remoteCloseCode } = all[id] ?? {};
    return `${behavior === "NON-STRICT" ? "OK" : behavior} ${behaviorClose} ${remoteCloseCode}`;
  };
  const ids = Object.keys(others).filter((id) => told(some, id) !== told(others, id));
  return ids.map((id) => `${id}: ${told(some, id)}, not ${told(others, id)}`);
}

function sumOf(all: Outcomes): string {
  const kinds = Object.groupBy(Object.values(all), (it) => it!.behavior);
  const counts = Object.entries(kinds).map(([behavior, cases]) => `${behavior} ${cases!.length}`);
  const failed = Object.keys(all).filter((id) => all[id]!.behavior === "FAILED");
  return `${counts.join(", ")} (${failed.join()})`;
}
