// The beginning of a connection whose protocol is not known yet. While its client is silent, its server is
// dialled as well, and whoever speaks first decides: a server that greets its clients (SMTP, MySQL) makes it a
// byte stream at once, where waiting for the client would have taken ten seconds.

import type { Clock } from "../base/clock.ts";
import type { Conn, ConnService } from "../io/conn.ts";
import { Detection, type Detected } from "../io/detect.ts";
import { splice } from "../io/splice.ts";
import type { Splice } from "../stack/tcp.ts";

// Clients that speak first do it within this time, as good as always; only the others cost a second dial.
const SILENCE_MS = 100;

const NO_BYTES = Buffer.alloc(0);

type Race = {
  readonly detection: Detection;
  readonly isBytes: (detected: Detected) => boolean;
  /** The server spoke first, and that settled it. */
  greeted: boolean;
};

const races = new WeakMap<Conn, Race>();
const firsts = new WeakMap<Conn, Buffer>();

/** How a connection began. */
export type Opening = Detected & {
  /** What forwards it already, since its server was dialled ahead and it is a byte stream. */
  readonly forwarded: Promise<void> | undefined;
  /** Whether its server was the first to speak. */
  readonly greeted: boolean;
};

/** What counts as bytes: TLS too (`all`), unless it may be ours to terminate (`opaque`). */
export type Bytes = "all" | "opaque";

/** Detects what `conn` speaks. After a moment of silence `forward`, the service of byte streams, dials ahead. */
export async function open(
  conn: Conn,
  timeoutMs: number,
  clock: Clock,
  forward: ConnService | undefined,
  bytes: Bytes,
): Promise<Opening> {
  const isBytes = ({ protocol }: Detected): boolean =>
    protocol === "opaque" || (bytes === "all" && protocol === "tls");
  const read = firsts.get(conn);
  firsts.delete(conn);
  const detection = new Detection(conn, timeoutMs, clock, read);
  const race: Race = { detection, isBytes, greeted: false };
  let forwarded: Promise<void> | undefined;
  const silence =
    forward &&
    clock.after(SILENCE_MS, () => {
      races.set(conn, race);
      forwarded = forward(conn);
      // Nobody may care whether it failed, if the client turns out to speak HTTP.
      forwarded.catch(() => {});
    });
  const detected = await detection.result;
  silence?.cancel();
  return {
    ...detected,
    forwarded: isBytes(detected) ? forwarded : undefined,
    greeted: race.greeted,
  };
}

/** Remembers bytes that have been read of `conn` for whoever opens or splices it. */
export function unread(conn: Conn, first: Buffer): void {
  if (first.length > 0) firsts.set(conn, first);
}

/** Splices, from the very first byte that was read; a connection in a race waits for its outcome. */
export const spliceOpening: Splice = async (client, server) => {
  const race = races.get(client);
  races.delete(client);
  if (race !== undefined && !(await settled(race, client, server))) {
    server.destroy();
    return undefined;
  }
  const first = firsts.get(client);
  firsts.delete(client);
  const { fault } = await splice(client, server, first);
  return fault;
};

// Whether the connection is a byte stream, once that is known.
async function settled(race: Race, client: Conn, server: Conn): Promise<boolean> {
  const { detection } = race;
  let greeting: Buffer = NO_BYTES;
  server.start({
    read: (chunk) => {
      greeting = Buffer.concat([greeting, chunk]);
      if (speaksHttp(greeting)) return;
      race.greeted = true;
      detection.settle("opaque");
    },
    end: () => {},
    closed: () => {},
    drained: () => {},
  });
  const detected = await detection.result;
  server.stop();
  if (!race.isBytes(detected)) return false;
  unread(client, detected.first);
  if (greeting.length > 0) client.write(greeting);
  return true;
}

// Servers of HTTP do not greet, but some send SETTINGS (RFC 9113 §3.4) or 408 to a client that is silent.
function speaksHttp(bytes: Buffer): boolean {
  const isSettings = bytes.length >= 9 && bytes[3] === 4 && bytes.readUInt32BE(5) === 0;
  return isSettings || bytes.toString("latin1", 0, 5) === "HTTP/".slice(0, bytes.length);
}
