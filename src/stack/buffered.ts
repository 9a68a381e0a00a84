// Keeps messages until they are complete, in both directions, before they go on: for servers and clients that cannot
// deal with a body that streams.

import { Fault } from "../base/fault.ts";
import { Body } from "../io/body.ts";
import type { HttpFilter } from "./types.ts";

const MAX_BYTES = 2 ** 31 - 1;
const tooLarge = (): Fault => new Fault("body-too-large", "the message is larger than 2 GiB");

/** Buffers requests and responses whole. Trailers of what is buffered are dropped. */
export const buffered: HttpFilter = (next) =>
  async function buffered(req) {
    if (req.upgrade !== undefined) return next(req);
    if (req.body.whole === undefined) req.body = Body.of(await req.body.read(MAX_BYTES, tooLarge));
    const rsp = await next(req);
    if (rsp.body.whole === undefined && rsp.tunnel === undefined) {
      rsp.body = Body.of(await rsp.body.read(MAX_BYTES, tooLarge));
    }
    return rsp;
  };
