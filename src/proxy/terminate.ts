// TLS of accepted connections: whose it is, by the server name in its first bytes, and terminating what is ours.

import { Fault } from "../base/fault.ts";
import type { Conn } from "../io/conn.ts";
import { Detection } from "../io/detect.ts";
import { acceptTls } from "../io/tls.ts";
import { parseClientHello } from "../wire/clienthello.ts";
import type { Verdict } from "../wire/preface.ts";
import type { Sidecar } from "./sidecar.ts";

/** What a client asks TLS for. */
export type Asked = {
  /** Whether it asks for the identity of this proxy. */
  readonly ours: boolean;
  readonly sni: string | undefined;
  /** The bytes that have been read. */
  readonly first: Buffer;
};

/** Reads the ClientHello, of which `read` has arrived already. Rejects when the client goes away instead. */
export async function readHello(sidecar: Sidecar, conn: Conn, read?: Buffer): Promise<Asked> {
  const { clock, settings, serverName } = sidecar;
  const timeoutMs = settings.inbound.detectTimeoutMs;
  const { first, protocol } = await new Detection(conn, timeoutMs, clock, read, ask).result;
  if (protocol === "closed") throw new Fault("io", "the client went away", { side: "client" });
  const hello = parseClientHello(first);
  const sni = hello.kind === "hello" ? hello.sni : undefined;
  return { ours: sni === serverName.toLowerCase(), sni, first };
}

/** Terminates TLS with our identity; `first` are the bytes that have been read. */
export async function terminate(
  { credentials, clock, settings }: Sidecar,
  conn: Conn,
  first: Buffer,
  alpn?: readonly string[],
  resumes = false,
): Promise<Conn> {
  const own = credentials.value;
  if (own === undefined) throw new Fault("unavailable", "this proxy has no identity yet");
  const timeoutMs = settings.inbound.detectTimeoutMs;
  return acceptTls(conn, own, { clock, timeoutMs, ...(alpn ? { alpn } : {}) }, first, resumes);
}

function ask(bytes: Buffer): Verdict {
  const { kind } = parseClientHello(bytes);
  return kind === "incomplete" ? "undecided" : kind === "hello" ? "tls" : "opaque";
}
