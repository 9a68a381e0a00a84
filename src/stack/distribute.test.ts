// Choosing a backend, and the limit on requests at once.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../base/fault.ts";
import { seededRandom } from "../base/random.ts";
import { request, response } from "../../test/support/messages.ts";
import { distribute, type Share } from "./distribute.ts";
import { limit } from "./limit.ts";

function shares(...weights: number[]) {
  const got = weights.map(() => 0);
  const backends = weights.map(() => ({ available: true }));
  const list: Share[] = weights.map((weight, i) => ({
    weight,
    backend: backends[i]!,
    service: async () => {
      got[i]! += 1;
      return response();
    },
  }));
  return { list, got, backends };
}

test("first: the first that is available, or the first of all", async () => {
  const { list, got, backends } = shares(1, 1, 1);
  const service = distribute("first", list, seededRandom(1));
  await service(request());
  backends[0]!.available = false;
  await service(request());
  backends[1]!.available = backends[2]!.available = false;
  await service(request());
  assert.deepEqual(got, [2, 1, 0]);
});

test("random: by weight among those that are available", async () => {
  const { list, got, backends } = shares(90, 10, 900);
  backends[2]!.available = false;
  const service = distribute("random", list, seededRandom(1));
  for (let i = 0; i < 1000; i++) await service(request());
  assert.ok(got[0]! > 860 && got[0]! < 940, String(got));
  assert.equal(got[2], 0);
  backends[0]!.available = backends[1]!.available = false;
  await service(request());
  assert.equal(got[0]! + got[1]! + got[2]!, 1001, "one of them says why it cannot");
});

test("empty: nowhere to go", async () => {
  await assert.rejects(distribute("empty", [], seededRandom(1))(request()), { code: "no-route" });
});

test("no more requests at once than the limit, whatever becomes of them", async () => {
  const waiting: ((ok: boolean) => void)[] = [];
  const service = limit(2)(
    () =>
      new Promise((resolve, reject) => {
        waiting.push((ok) => (ok ? resolve(response()) : reject(new Fault("io", "x"))));
      }),
  );
  const sent = [service(request()), service(request())];
  await assert.rejects(service(request()), { code: "load-shed", retryable: false });
  waiting[0]!(true);
  waiting[1]!(false);
  await Promise.allSettled(sent);
  void service(request());
  void service(request());
  await assert.rejects(service(request()), { code: "load-shed" });
});
