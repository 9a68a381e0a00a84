// The machine's own view: a packet capture between the sidecars of a running mesh shows that all of it passed there,
// and nothing of it in clear.
// Needs: linux, root, tcpdump.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { workload } from "../support/shop.ts";
import { upMesh } from "./mesh.ts";

const SECRET = "the-treasure-lies-under-the-oak";

test(
  "a packet capture between sidecars shows no application byte",
  { timeout: 60_000 },
  async (t) => {
    const yaml = [
      workload("web", { env: `, {name: api, value: "http://api/${SECRET}"}` }),
      workload("api"),
    ].join("---");
    const { url, pods } = await upMesh(t, yaml, "--publish=shop/web=28720");
    const web = await url("shop/web");
    const [api] = await pods("api");
    const filter = `tcp and host ${api!.status!.podIP} and not port 4191 and not port 4190`;
    const capture = async (port: string, packets: number): Promise<string> => {
      const words = [
        "-i",
        "lo",
        "-s",
        "0",
        "-U",
        "-c",
        String(packets),
        "-w",
        "-",
        `${filter} and ${port}`,
      ];
      const tcpdump = spawn("tcpdump", words, { stdio: ["ignore", "pipe", "pipe"] });
      t.after(() => tcpdump.kill());
      await once(tcpdump.stderr, "data");
      const chunks: Buffer[] = [];
      tcpdump.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      const ended = once(tcpdump, "close").then(() => true);
      while (!(await Promise.race([ended, ask()]))) continue;
      return Buffer.concat(chunks).toString("latin1");
    };
    const ask = async (): Promise<false> => {
      const rsp = await fetch(`${web}/api`);
      assert.match(await rsp.text(), /^api called by web\.shop\./);
      return false;
    };
    const between = await capture("port 4143", 200);
    assert.ok(between.length > 10_000, `${between.length} bytes`);
    for (const word of [SECRET, "HTTP/1", "called by"]) {
      assert.ok(!between.includes(word), `${word} is in clear`);
    }
    // The same words are seen where the sidecar talks to its own application, so the capture does see what passes.
    assert.ok((await capture("port 8080", 100)).includes(SECRET));
  },
);
