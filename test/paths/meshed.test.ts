// Requests from one meshed workload to another, over both sidecars.

import assert from "node:assert/strict";
import { test } from "node:test";
import { application, get, mesh, PORTS } from "./mesh.ts";

test("an HTTP/1 request crosses both sidecars and is told who calls", async (t) => {
  const { client, server, start } = await mesh(t);
  await application(t, server, (req, rsp) =>
    rsp.end(`${req.url} for ${req.headers["l5d-client-id"]}`),
  );
  await start();
  const { status, body } = await get(client, PORTS.http, "/hello", { "l5d-client-id": "spoofed" });
  assert.equal(status, 200);
  assert.equal(body, "/hello for web.ns.serviceaccount.identity.linkerd.cluster.local");
});
