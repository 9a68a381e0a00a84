// The timer wheel against real time, and the virtual clock.

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { systemClock, VirtualClock } from "./clock.ts";

// On the wheel itself: whatever holds this process up, what is due before comes before.
const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => void systemClock.after(ms, resolve));

test("the wheel runs timers in order and not early", async () => {
  const fired: string[] = [];
  const start = systemClock.now();
  const late = (name: string, ms: number) =>
    systemClock.after(ms, () => {
      assert.ok(systemClock.now() - start >= ms - 1, `${name} fired early`);
      fired.push(name);
    });
  late("c", 120);
  late("a", 20);
  late("b", 60);
  late("never", 40).cancel();
  await sleep(250);
  assert.deepEqual(fired, ["a", "b", "c"]);
});

test("a timer that cancels its neighbours in the same slot does not lose the others", async () => {
  const fired: number[] = [];
  const timers = Array.from({ length: 10 }, (_, i) =>
    systemClock.after(20, () => {
      fired.push(i);
      if (i === 2) for (const j of [3, 4, 7]) timers[j]!.cancel();
    }),
  );
  await sleep(120);
  assert.deepEqual(fired, [0, 1, 2, 5, 6, 8, 9]);
});

test("every repeats until cancelled, also from inside", async () => {
  let count = 0;
  const timer = systemClock.every(10, () => {
    if (++count === 3) timer.cancel();
  });
  await sleep(150);
  assert.equal(count, 3);
});

test("a timer that throws is uncaught, and costs no other timer its time", async () => {
  const fired: string[] = [];
  const uncaught: unknown[] = [];
  const others = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", (error) => uncaught.push(error.message));
  systemClock.after(20, () => {
    throw new Error("a bug");
  });
  systemClock.after(20, () => fired.push("beside"));
  const timer = systemClock.every(20, () => {
    fired.push("again");
    if (fired.length > 2) timer.cancel();
    else throw new Error("another bug");
  });
  // No clock of ours: it must not wake the wheel.
  await new Promise((resolve) => setTimeout(resolve, 150));
  process.removeAllListeners("uncaughtException");
  for (const listener of others) process.on("uncaughtException", listener);
  assert.deepEqual(fired, ["beside", "again", "again"]);
  assert.deepEqual(uncaught, ["a bug", "another bug"]);
});

test("the virtual clock stands still until it is moved", () => {
  const clock = new VirtualClock();
  const fired: [string, number][] = [];
  clock.after(50, () => fired.push(["b", clock.now()]));
  clock.after(10, () => {
    fired.push(["a", clock.now()]);
    clock.after(5, () => fired.push(["nested", clock.now()]));
  });
  clock.advance(20);
  assert.deepEqual(fired, [
    ["a", 10],
    ["nested", 15],
  ]);
  clock.advance(30);
  assert.deepEqual(fired.at(-1), ["b", 50]);
});

for (const stallMs of [25, 35, 200])
  test(`a process that was held up for ${stallMs} ms reads what has come before it calls anybody late`, async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const order: string[] = [];
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const connected = once(socket, "connect").then(() => order.push("connected"));
    const timer = Promise.withResolvers<void>();
    systemClock.after(10, () => {
      order.push("late");
      timer.resolve();
    });
    for (const until = performance.now() + stallMs; performance.now() < until;);
    await Promise.all([connected, timer.promise]);
    assert.deepEqual(order, ["connected", "late"]);
    socket.destroy();
    server.close();
  });
