// A client of the tap server of a sidecar.

import { Tap, type TapEvent } from "../../proto/gen/tap_pb.js";
import { systemClock as clock } from "../../src/base/clock.ts";
import { dial } from "../../src/io/dial.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { grpcClient } from "../../src/stack/grpcclient.ts";

/** All events of a tap of requests whose path begins with `path`; resolves when it has ended at its limit. */
export async function observe(ip: string, limit: number, path: string): Promise<TapEvent[]> {
  const conn = await dial({ ip, port: 4190 }, { clock, timeoutMs: 1000 });
  const h2 = new H2Client(conn, { clock });
  const tap = grpcClient(Tap, (req) => h2.request(req), "tap", { clock });
  const events: TapEvent[] = [];
  const match = {
    match: {
      case: "http" as const,
      value: {
        match: {
          case: "path" as const,
          value: { match: { case: "prefix" as const, value: path } },
        },
      },
    },
  };
  const extract = { extract: { case: "http" as const, value: {} } };
  try {
    for await (const event of tap.observe({ limit, match, extract })) events.push(event);
  } finally {
    h2.close();
  }
  return events;
}
