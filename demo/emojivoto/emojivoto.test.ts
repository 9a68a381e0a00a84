// The demo as its visitors meet it: four real processes on free ports of 127.0.0.1, spoken to over HTTP.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { constants, createServer } from "node:http2";
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, suite, test } from "node:test";
import { parseAllDocuments } from "yaml";
import type { Emoji, VotingResult } from "./grpc.ts";
import { printVotingProto } from "./proto/generate.ts";
import { table } from "./table.ts";

const root = join(import.meta.dirname, "../..");
const running = new Set<ChildProcess>();

after(() => {
  for (const child of running) child.kill("SIGKILL");
});

interface Workload {
  /** Resolves to the first line of the output that matches; rejects with all output when the process ends before. */
  line(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Sends SIGTERM and resolves to the exit code. */
  stop(): Promise<number | null>;
  readonly ended: Promise<number | null>;
}

function start(name: string, env: Record<string, string>): Workload {
  const child = spawn(process.execPath, [`demo/emojivoto/${name}.ts`], {
    cwd: root,
    env: { PATH: process.env["PATH"], HOST: "127.0.0.1", ...env },
  });
  let output = "";
  const more = new EventTarget();
  const ended = once(child, "close").then(([code]: (number | null)[]) => {
    running.delete(child);
    more.dispatchEvent(new Event("more"));
    return code ?? null;
  });
  running.add(child);
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      more.dispatchEvent(new Event("more"));
    });
  return {
    ended,
    async line(pattern) {
      for (;;) {
        const found = output.match(pattern);
        if (found) return found;
        if (!running.has(child)) throw new Error(`${name} ended without ${pattern}:\n${output}`);
        await once(more, "more");
      }
    },
    stop() {
      child.kill("SIGTERM");
      return ended;
    },
  };
}

async function listening(workload: Workload): Promise<string> {
  const [, address] = await workload.line(/listening on (\S+)/);
  return address!;
}

async function ask<T>(web: string, path: string): Promise<{ status: number; value: T }> {
  const rsp = await fetch(`http://${web}${path}`);
  return { status: rsp.status, value: (await rsp.json()) as T };
}

suite("emojivoto", () => {
  const workloads: Record<string, Workload> = {};
  let web = "";
  let votingHost = "";

  before(async () => {
    workloads["emoji"] = start("emoji", { GRPC_PORT: "0" });
    workloads["voting"] = start("voting", { GRPC_PORT: "0" });
    votingHost = await listening(workloads["voting"]);
    workloads["web"] = start("web", {
      WEB_PORT: "0",
      EMOJISVC_HOST: await listening(workloads["emoji"]),
      VOTINGSVC_HOST: votingHost,
    });
    web = await listening(workloads["web"]);
  });

  test("lists a hundred emoji", async () => {
    const { status, value } = await ask<Emoji[]>(web, "/api/list");
    assert.equal(status, 200);
    assert.equal(value.length, 100);
    assert.deepEqual(value[0], { unicode: "😂", shortcode: ":joy:" });
  });

  test("counts votes, the most loved first", async () => {
    for (const choice of [":pizza:", ":joy:", ":pizza:"])
      assert.equal((await ask(web, `/api/vote?choice=${choice}`)).status, 200);
    const { value } = await ask<VotingResult[]>(web, "/api/leaderboard");
    assert.deepEqual(value, [
      { shortcode: ":pizza:", votes: 2, unicode: "🍕" },
      { shortcode: ":joy:", votes: 1, unicode: "😂" },
    ]);
  });

  test("loses every vote for the doughnut, as a gRPC status and as a 500", async () => {
    const { status, value } = await ask<{ error: string }>(web, "/api/vote?choice=:doughnut:");
    assert.equal(status, 500);
    assert.match(value.error, /^2 UNKNOWN: /);
    const { value: board } = await ask<VotingResult[]>(web, "/api/leaderboard");
    assert.ok(board.every(({ shortcode }) => shortcode !== ":doughnut:"));
  });

  test("refuses a vote for what is not on the list", async () => {
    for (const query of ["", "?choice=", "?choice=:nothing:", "?choice=constructor"])
      assert.equal((await ask(web, `/api/vote${query}`)).status, 400, query);
    assert.equal((await ask(web, "/api/nothing")).status, 404);
  });

  test("serves one page for voting and for the leaderboard, and says that it is ready", async () => {
    const [vote, board, ready] = await Promise.all(
      ["/", "/leaderboard", "/healthz"].map((path) => fetch(`http://${web}${path}`)),
    );
    assert.match(vote!.headers.get("content-type")!, /^text\/html/);
    assert.equal(await vote!.text(), await board!.text());
    assert.equal(await ready!.text(), "ok\n");
  });

  test("goes on by itself when a backend was away", async () => {
    const port = votingHost.split(":").at(-1)!;
    assert.equal(await workloads["voting"]!.stop(), 0);
    assert.equal((await ask(web, "/api/vote?choice=:joy:")).status, 500);
    assert.equal((await ask(web, "/api/list")).status, 200);
    workloads["voting"] = start("voting", { GRPC_PORT: port });
    await listening(workloads["voting"]);
    while ((await ask(web, "/api/vote?choice=:joy:")).status !== 200);
  });

  test("sends visitors by the vote-bot, which outlives a web that is away", async () => {
    const bot = start("vote-bot", { WEB_HOST: "127.0.0.1:9", REQUEST_RATE: "100" });
    await bot.line(/✘ .*127\.0\.0\.1:9/);
    assert.equal(await bot.stop(), 0);

    workloads["vote-bot"] = start("vote-bot", { WEB_HOST: web, REQUEST_RATE: "200" });
    await workloads["vote-bot"].line(/✔ voted for :/);
    await workloads["vote-bot"].line(/✘ .*doughnut.* 500/);
    const { value } = await ask<VotingResult[]>(web, "/api/leaderboard");
    assert.ok(value.reduce((sum, { votes }) => sum + votes, 0) > 0);
  });

  test("stops the vote-bot after its TTL", async () => {
    const bot = start("vote-bot", { WEB_HOST: web, REQUEST_RATE: "100", TTL: "0.05" });
    assert.equal(await bot.ended, 0);
  });

  test("names every variable that is missing, a wrong one, and a port that is taken", async () => {
    const fails = async (name: string, env: Record<string, string>, why: RegExp) => {
      const workload = start(name, env);
      const [text] = await workload.line(why);
      assert.equal(await workload.ended, 1);
      assert.equal(text.trimEnd().split("\n").length, 1);
    };
    await fails("web", { WEB_PORT: "80" }, /^web: .*EMOJISVC_HOST.*VOTINGSVC_HOST.*\n$/);
    await fails("vote-bot", {}, /^vote-bot: .*WEB_HOST.*\n$/);
    await fails("emoji", { GRPC_PORT: "http" }, /^emoji: GRPC_PORT is "http".*\n$/);
    await fails(
      "emoji",
      { GRPC_PORT: votingHost.split(":").at(-1)! },
      /^emoji: .*set GRPC_PORT to a free one\.\n$/,
    );
    await fails(
      "web",
      { WEB_PORT: web.split(":").at(-1)!, EMOJISVC_HOST: "a:1", VOTINGSVC_HOST: "b:1" },
      /^web: .*WEB_PORT.*\n$/,
    );
  });

  test("exits with 0 on SIGTERM", async () => {
    for (const name of ["vote-bot", "web", "emoji", "voting"])
      assert.equal(await workloads[name]!.stop(), 0, name);
  });
});

suite("web, in front of a backend that the test plays", () => {
  let backend: Http2Server;
  let web: Workload;
  let list = "";

  beforeEach(async () => {
    backend = createServer().listen(0, "127.0.0.1");
    await once(backend, "listening");
    const target = `127.0.0.1:${(backend.address() as AddressInfo).port}`;
    web = start("web", { WEB_PORT: "0", EMOJISVC_HOST: target, VOTINGSVC_HOST: target });
    list = `http://${await listening(web)}/api/list`;
  });

  afterEach(() => backend.close());

  const nextCall = async () =>
    (await once(backend, "stream")) as [ServerHttp2Stream, IncomingHttpHeaders];

  test("hands on trace headers, and only those, and a client that goes away", async () => {
    const sent = {
      traceparent: "00-1-2-01",
      b3: "1-2-1",
      "l5d-ctx-trace": "AAAA",
      "x-request-id": "r1",
    };
    const gone = new AbortController();
    const asked = fetch(list, { headers: { ...sent, cookie: "no=1" }, signal: gone.signal });
    const [stream, headers] = await nextCall();
    for (const [name, value] of Object.entries(sent)) assert.equal(headers[name], value);
    assert.equal(headers["cookie"], undefined);
    assert.equal(headers[":path"], "/emojivoto.v1.EmojiService/ListAll");
    const closed = once(stream, "close");
    gone.abort();
    await assert.rejects(asked);
    await closed;
    assert.equal(stream.rstCode, constants.NGHTTP2_CANCEL);
    assert.equal(await web.stop(), 0);
  });

  test("finishes what is under way on SIGTERM", async () => {
    const asked = fetch(list);
    const [stream] = await nextCall();
    const code = web.stop();
    while (await fetch(list.replace("/api/list", "/healthz")).then(Boolean, () => false));
    stream.respond({ "content-type": "application/grpc" }, { waitForTrailers: true });
    stream
      .on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
      .end(Buffer.alloc(5));
    assert.deepEqual(await (await asked).json(), []);
    assert.equal(await code, 0);
  });
});

test("voting.proto is what the table says", () => {
  assert.equal(
    readFileSync(join(import.meta.dirname, "proto/voting.proto"), "utf8"),
    printVotingProto(),
  );
  assert.equal(new Set(table.map((row) => row.method)).size, 100);
});

test("the manifest runs the four programs, and its Services find them", () => {
  const text = readFileSync(join(import.meta.dirname, "emojivoto.yaml"), "utf8");
  const resources = parseAllDocuments(text).map((document) => document.toJS());
  const ofKind = (kind: string) => resources.filter((resource) => resource.kind === kind);
  const pods = ofKind("Deployment").map((deployment) => deployment.spec.template);
  assert.deepEqual(
    pods.map((pod) => pod.spec.containers[0].command),
    ["emoji", "voting", "web", "vote-bot"].map((name) => ["node", `demo/emojivoto/${name}.ts`]),
  );
  for (const { spec } of ofKind("Service")) {
    const pod = pods.find(({ metadata }) => metadata.labels.app === spec.selector.app);
    assert.equal(pod.spec.containers[0].ports[0].name, spec.ports[0].targetPort);
  }
});
