// HTTP/1 over HTTP/2 and back, and requests made alike.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../base/fault.ts";
import { request, response, scripted } from "../../test/support/messages.ts";
import { Body } from "../io/body.ts";
import { normalize, strip, stripResponse } from "./normalize.ts";
import { downgrade, upgrade } from "./upgrade.ts";

test("HTTP/1 rides on HTTP/2 between proxies and arrives as it was", async () => {
  for (const [version, absolute, field] of [
    [11, false, "HTTP/1.1"],
    [10, false, "HTTP/1.0"],
    [11, true, "HTTP/1.1; absolute-form"],
  ] as const) {
    const application = scripted(() => response(201, ["x", "y"]));
    const carried: unknown[] = [];
    const wire = scripted((req) => {
      carried.push(req.headers.at(-1), req.scheme);
      // What HTTP/2 makes of it: no version, no Host.
      const other = request({ version: 20, headers: req.headers.slice(2) });
      other.scheme = req.scheme;
      return downgrade(application)(other).then((rsp) =>
        response(rsp.status, rsp.headers, Body.empty, 20),
      );
    });
    const req = request({ version, headers: ["host", "web.example:80"] });
    req.absolute = absolute;
    const rsp = await upgrade(
      wire,
      scripted(() => response(500)),
    )(req);
    assert.deepEqual(carried, [field, "http"]);
    const [seen] = application.seen;
    assert.equal(seen!.version, version);
    assert.equal(seen!.absolute, absolute);
    assert.deepEqual(seen!.headers, ["host", "web.example:80"]);
    assert.deepEqual([rsp.status, rsp.headers, rsp.version], [201, ["x", "y"], 11]);
  }
});

test("HTTP/2 passes as it is, and a tunnel stays on HTTP/1", async () => {
  const [h2, h1] = [scripted(() => response()), scripted(() => response())];
  await upgrade(h2, h1)(request({ version: 20 }));
  assert.deepEqual(h2.seen[0]!.headers, []);
  const socket = request();
  socket.upgrade = "websocket";
  await upgrade(h2, h1)(socket);
  assert.deepEqual([h2.seen.length, h1.seen.length], [1, 1]);
});

test("a stream error of HTTP/2 is a bad gateway for a client of HTTP/1", async () => {
  const broken = scripted(() => new Fault("reset", "RST_STREAM", { side: "upstream" }));
  await assert.rejects(upgrade(broken, broken)(request()), { code: "io", side: "upstream" });
});

test("a peer's field on a request that was HTTP/2 all along means nothing", async () => {
  const application = scripted(() => response());
  const rsp = await downgrade(application)(
    request({ version: 11, headers: ["l5d-orig-proto", "x"] }),
  );
  assert.deepEqual(rsp.headers, []);
});

test("a request without authority gets the one of its destination", async () => {
  const upstream = scripted(() => response());
  await normalize(upstream)(request({ authority: "" }));
  await normalize(upstream)(request({ authority: "a:1" }));
  assert.deepEqual(
    upstream.seen.map(({ authority }) => authority),
    ["10.9.9.9:8080", "a:1"],
  );
});

test("fields of the mesh are taken off, whatever their case", async () => {
  const names = ["l5d-proxy-error", "l5d-dst-canonical"];
  const upstream = scripted(() => response(200, ["L5D-Proxy-Error", "x", "l5d-x", "y"]));
  const service = stripResponse(names)(strip(names)(upstream));
  const rsp = await service(request({ headers: ["L5d-Dst-Canonical", "x", "host", "y"] }));
  assert.deepEqual(upstream.seen[0]!.headers, ["host", "y"]);
  assert.deepEqual(rsp.headers, ["l5d-x", "y"]);
});
