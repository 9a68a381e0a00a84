// A client of the tap server of a sidecar.

import { Tap, type TapEvent } from "../../proto/gen/tap_pb.js";
import { systemClock as clock } from "../../src/base/clock.ts";
import { dial } from "../../src/io/dial.ts";
import { H2Client } from "../../src/io/h2client.ts";
import { type Credentials, startTls } from "../../src/io/tls.ts";
import { ownCredentials } from "../../src/control/secure.ts";
import { identityOf, tapIdentity } from "../../src/platform/sidecar.ts";
import { grpcClient } from "../../src/stack/grpcclient.ts";
import type { ControlPlane } from "./plane.ts";

const DOMAIN = { trustDomain: "cluster.local" };
export const TAP = tapIdentity(DOMAIN);
const WEB = identityOf("web", "ns", DOMAIN);

/** Credentials of a name in the mesh of `plane`. */
export function credentialsOf(name: string, { issuer }: ControlPlane): Promise<Credentials> {
  return ownCredentials(issuer, name, clock).next();
}

/** All events of a tap, as `own` or in the clear, of requests whose path begins with `path`; resolves when it has ended
 * at its limit. */
export async function observe(
  ip: string,
  limit: number,
  path: string,
  own?: Credentials,
): Promise<TapEvent[]> {
  const conn = await dial({ ip, port: 4190 }, { clock, timeoutMs: 1000 });
  const server = { id: WEB, serverName: WEB };
  const secure = own && (await startTls(conn, own, server, { clock, timeoutMs: 1000 }));
  const h2 = new H2Client(secure ?? conn, { clock });
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
