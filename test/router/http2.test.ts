// HTTP/2 and gRPC through h2 routers, and both versions on one port.

import assert from "node:assert/strict";
import { test } from "node:test";
import { backend2, send2 } from "./h2.ts";
import { backend, run, send } from "./run.ts";

const h2 = (port: number, more = "") => `
routers:
- protocol: h2
  dtab: /svc/web => /$/inet/127.1/${port}; /svc/down => /$/inet/127.1/1; /svc/pkg.Svc => /$/inet/127.1/${port}
  ${more.trim().replaceAll("\n", "\n  ")}
  servers: [{port: 0, ip: 127.0.0.1, maxCallDepth: 2}]
`;

test("an h2 router names requests by :authority and says so to the next hop", async (t) => {
  const web = await backend2(t);
  const at = await run(t, h2(web.port));
  const { headers, body } = await send2(at.port("h2"), "/x");
  assert.deepEqual([headers[":status"], body, headers["via"]], [200, "h2", "h2 linkerd"]);
  assert.equal(headers["l5d-success-class"], "1.0");
  const [sent] = web.seen;
  assert.equal(sent!["l5d-dst-service"], "/svc/web");
  assert.equal(sent!["via"], "h2 linkerd");
  assert.equal((await at.metrics())["rt/h2/service/svc/web/requests"], 1);
});

test("gRPC's path names the service", async (t) => {
  const web = await backend2(t);
  const at = await run(t, h2(web.port, "identifier: {kind: io.l5d.header.path, segments: 1}"));
  await send2(at.port("h2"), "/pkg.Svc/Method");
  assert.equal(web.seen[0]!["l5d-dst-service"], "/svc/pkg.Svc");
});

test("HTTP/2 clients are told of failures as Linkerd 1 tells them", async (t) => {
  const web = await backend2(t);
  const at = await run(t, h2(web.port, "identifier: {kind: io.l5d.header.token, header: x-name}"));
  await assert.rejects(send2(at.port("h2"), "/"), /REFUSED_STREAM/);
  const lost = await send2(at.port("h2"), "/", { "x-name": "lost" });
  assert.equal(lost.headers[":status"], 502);
  assert.match(lost.body, /^Unable to route request!/);
  const down = await send2(at.port("h2"), "/", { "x-name": "down" });
  assert.equal(down.headers[":status"], 502);
  assert.match(down.headers["l5d-err"] as string, /^Unable\+to\+establish/);
  const looped = await send2(at.port("h2"), "/", { "x-name": "web", via: "a, b, c" });
  assert.equal(looped.headers[":status"], 400);
});

test("gRPC statuses decide on success and retries", async (t) => {
  const web = await backend2(t);
  const at = await run(
    t,
    h2(
      web.port,
      `service:
  responseClassifier: {kind: io.l5d.h2.grpc.default}
  retries: {budget: {minRetriesPerSec: 5, percentCanRetry: 1}}`,
    ),
  );
  const { trailers } = await send2(at.port("h2"), "/", { "x-grpc": "once" });
  assert.deepEqual([trailers["grpc-status"], web.seen.length], ["0", 2]);
  await send2(at.port("h2"), "/", { "x-grpc": "5" });
  const metrics = await at.metrics();
  assert.equal(metrics["rt/h2/service/svc/web/failures"], 1);
  assert.equal(metrics["rt/h2/service/svc/web/retries/total"], 1);
});

for (const [classificationTimeoutMs, times] of [
  [2000, 2],
  [40, 1],
] as const) {
  test(`a status that comes late is waited for ${classificationTimeoutMs} ms`, async (t) => {
    const web = await backend2(t);
    const at = await run(
      t,
      h2(
        web.port,
        `service:
  classificationTimeoutMs: ${classificationTimeoutMs}
  responseClassifier: {kind: io.l5d.h2.grpc.alwaysRetryable}
  retries: {budget: {minRetriesPerSec: 0, percentCanRetry: 1}}`,
      ),
    );
    await send2(at.port("h2"), "/", { "x-grpc": "9", "x-late-ms": "300" });
    assert.equal(web.seen.length, times);
    const late = (await at.metrics())["rt/h2/service/svc/web/retries/classification_timeout"];
    assert.equal(late, times === 1 ? 1 : 0);
  });
}

test("both versions of HTTP come to one port", async (t) => {
  const [one, two] = [await backend(t, "h1"), await backend2(t)];
  const at = await run(
    t,
    `
routers:
- protocol: http
  dtab: /svc => /$/inet/127.1/${one.port}
  servers: [{port: 0, ip: 127.0.0.1}]
- protocol: h2
  dtab: /svc => /$/inet/127.1/${two.port}
  servers: [{port: 0, ip: 127.0.0.2}]
`,
  );
  assert.equal((await send2(at.port("http"), "/")).body, "h1");
  assert.equal((await send(at.port("http"), "/")).body, "h1");
  const over = await send(at.port("h2"), "/", { ip: "127.0.0.2" });
  assert.deepEqual([over.status, over.body], [200, "h2"]);
});
