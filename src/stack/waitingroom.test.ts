// Requests that wait go on in order, or leave with their client or when their time is over.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { request } from "../../test/support/messages.ts";
import { WaitingRoom } from "./waitingroom.ts";

const gone = new Fault("cancelled", "gone", { side: "client" });
const codeOf = (sent: Promise<HttpRsp>): Promise<unknown> =>
  sent.catch((fault: Fault) => fault.code);

test("they go on in order, and whoever sends them hears of their client from then on", () => {
  const room = new WaitingRoom();
  const sent: string[] = [];
  const next = (req: HttpReq): Promise<HttpRsp> => {
    sent.push(req.path);
    req.onCancel = () => sent.push(`${req.path} left`);
    return new Promise(() => {});
  };
  const requests = ["/1", "/2", "/3"].map((path) => request({ path }));
  for (const req of requests) void room.wait(req, next);
  room.release(1);
  assert.deepEqual([sent, room.size], [["/1"], 2]);
  room.release();
  requests[0]!.cancel(gone);
  assert.deepEqual(sent, ["/1", "/2", "/3", "/1 left"]);
});

test("a client that leaves, a time that is over and a refusal each end the wait, once", async () => {
  const clock = new VirtualClock();
  const room = new WaitingRoom();
  const next = (): never => assert.fail("it has left");
  const patience = { clock, waitMs: 100, fault: () => new Fault("unavailable", "late") };
  const leaving = request();
  const ends = [room.wait(leaving, next, patience), room.wait(request(), next, patience)].map(
    codeOf,
  );
  leaving.cancel(gone);
  clock.advance(100);
  ends.push(codeOf(room.wait(request(), next, patience)));
  room.refuse(new Fault("closed", "over"));
  clock.advance(100);
  assert.deepEqual(await Promise.all(ends), ["cancelled", "unavailable", "closed"]);
  assert.equal(room.size, 0);
});
