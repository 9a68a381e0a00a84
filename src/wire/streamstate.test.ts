// Stream states: the arrows of RFC 9113 figure 2, and laws that hold for every path through them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { H2 } from "./h2error.ts";
import { errorCode, EVENT, isConnectionError, nextState, STATE } from "./streamstate.ts";

type Event = keyof typeof EVENT;

function walk(...events: Event[]): number {
  return events.reduce<number>((state, event) => nextState(state, EVENT[event]), STATE.idle);
}

test("an exchange closes after both sides have ended, in either order", () => {
  assert.equal(walk("recvHeaders", "recvData", "recvEnd"), STATE.halfRemote);
  assert.equal(walk("recvHeaders", "recvEnd", "sendHeaders", "sendData", "sendEnd"), STATE.closed);
  assert.equal(walk("sendHeaders", "sendEnd", "recvHeaders"), STATE.halfLocal);
  assert.equal(walk("recvHeaders", "sendHeaders", "sendEnd", "recvData", "recvEnd"), STATE.closed);
});

test("what comes too late or too early", () => {
  const result = (...events: Event[]): [boolean, number] => {
    const state = walk(...events);
    assert.ok(state < 0);
    return [isConnectionError(state), errorCode(state)];
  };
  assert.deepEqual(result("recvData"), [true, H2.PROTOCOL_ERROR]);
  assert.deepEqual(result("recvWindow"), [true, H2.PROTOCOL_ERROR]);
  assert.deepEqual(result("recvReset"), [true, H2.PROTOCOL_ERROR]);
  assert.deepEqual(result("recvHeaders", "recvEnd", "recvData"), [false, H2.STREAM_CLOSED]);
  assert.deepEqual(result("recvHeaders", "recvEnd", "recvHeaders"), [false, H2.STREAM_CLOSED]);
  assert.deepEqual(result("recvHeaders", "recvReset", "recvData"), [true, H2.STREAM_CLOSED]);
  assert.deepEqual(result("sendEnd"), [true, H2.INTERNAL_ERROR]);
});

test("after RST_STREAM was sent, late frames are ignored", () => {
  const late: Event[] = ["recvHeaders", "recvData", "recvEnd", "recvWindow", "recvReset"];
  for (const event of late) assert.equal(walk("recvHeaders", "sendReset", event), STATE.reset);
});

test("no path leads back to idle, out of closed, or from an ended side to more of it", () => {
  const names = Object.keys(EVENT) as Event[];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...names), { maxLength: 20 }), (events) => {
      let state: number = STATE.idle;
      let [sent, received] = [false, false];
      for (const event of events) {
        const next = nextState(state, EVENT[event]);
        assert.equal(typeof next, "number");
        if (next < 0) continue;
        assert.notEqual(next, STATE.idle);
        if (state >= STATE.closed) assert.equal(next, state);
        if (state < STATE.closed && event.startsWith("send") && event !== "sendReset")
          assert.ok(!sent);
        if (state < STATE.closed && ["recvHeaders", "recvData"].includes(event))
          assert.ok(!received);
        sent ||= event === "sendEnd";
        received ||= event === "recvEnd";
        state = next;
      }
    }),
  );
});
