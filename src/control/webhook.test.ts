// HTTPS for an API server: certificates come and go, and the last good one serves on.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { request } from "node:https";
import { systemClock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";
import { newAuthority } from "./issuer.ts";
import { serveWebhook } from "./webhook.ts";

const IP = `127.79.${(process.pid >> 8) & 255}.${process.pid & 255 || 1}`;
const addr = { ip: IP, port: 28_443 };

function ask(): Promise<number | string> {
  return new Promise((resolve) => {
    const options = { host: IP, port: addr.port, rejectUnauthorized: false, agent: false as const };
    const req = request(options, (rsp) => resolve(rsp.resume().statusCode!));
    req.on("error", ({ message }) => resolve(message)).end();
  });
}

async function until(what: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await what()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail("it did not come to be");
}

test("a certificate that is missing or wrong is told of, and the last good one goes on", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "webhook-"));
  const lines: string[] = [];
  const { write } = log;
  log.write = (line) => void lines.push(line);
  const service = async () => new HttpRsp(200, [], Body.of("ok"));
  const close = await serveWebhook(addr, dir, service, systemClock);
  t.after(() => {
    close();
    log.write = write;
    rmSync(dir, { recursive: true });
  });
  await until(() => lines.some((line) => line.includes("tls.crt or tls.key is missing")));
  assert.equal(typeof (await ask()), "string");

  const { certPem, keyPem } = await newAuthority("webhook", 86_400_000, systemClock);
  writeFileSync(join(dir, "tls.crt"), certPem);
  writeFileSync(join(dir, "tls.key"), keyPem);
  await until(async () => (await ask()) === 200);

  lines.length = 0;
  const other = await newAuthority("webhook", 86_400_000, systemClock);
  writeFileSync(join(dir, "tls.key"), other.keyPem);
  await until(() => lines.some((line) => line.includes("a certificate cannot be used")));
  assert.equal(await ask(), 200);
});
