// Probes against real servers: what a program answers is what the probe believes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { loadPackageDefinition, Server, ServerCredentials } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { systemClock } from "../base/clock.ts";
import type { Probe } from "./kinds.ts";
import { watchProbe } from "./probe.ts";

const RHYTHM = {
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  successThreshold: 1,
  failureThreshold: 1,
};

/** The first opinion of a probe of this machine. */
function opinion(t: TestContext, probe: Pick<Probe, "grpc" | "tcpSocket">): Promise<boolean> {
  return new Promise((resolve) => {
    const target = { ip: "127.0.0.1", ports: [], exec: async () => false };
    t.after(watchProbe(systemClock, { ...RHYTHM, ...probe }, target, false, resolve));
  });
}

async function startHealth(t: TestContext): Promise<number> {
  const [SERVING, NOT_SERVING] = [1, 2];
  const { service } = (
    loadPackageDefinition(loadSync(`${import.meta.dirname}/../../proto/health.proto`)) as any
  ).grpc.health.v1.Health;
  const server = new Server();
  server.addService(service, {
    Check: ({ request }: any, answer: any) => {
      if (request.service === "unheard-of") return answer({ code: 5 });
      answer(null, { status: request.service === "ill" ? NOT_SERVING : SERVING });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  return port;
}

test("a gRPC probe asks the health service, of a whole server or of one service", async (t) => {
  const port = await startHealth(t);
  assert.equal(await opinion(t, { grpc: { port } }), true);
  assert.equal(await opinion(t, { grpc: { port, service: "ill" } }), false);
  assert.equal(await opinion(t, { grpc: { port, service: "unheard-of" } }), false);
});

test("a gRPC probe is not content with a port that speaks something else", async (t) => {
  const server = createServer((_, rsp) => rsp.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  assert.equal(await opinion(t, { grpc: { port } }), false);
  assert.equal(await opinion(t, { tcpSocket: { port } }), true);
});
