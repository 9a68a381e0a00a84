// Dialling an address that discovery named: TCP, then mutual TLS where the other side has an identity, then the
// transport header where its sidecar shall pass the connection on. One function for HTTP and for bytes.

import { Fault } from "../base/fault.ts";
import type { Conn, NoTlsReason } from "../io/conn.ts";
import { dial } from "../io/dial.ts";
import { startTls, Ticket } from "../io/tls.ts";
import type { Dial } from "../stack/connect.ts";
import { encodeTransportHeader, TRANSPORT_ALPN } from "../wire/transportheader.ts";
import { dialOptions } from "./dialoptions.ts";
import { isLoopback } from "../stack/authorize.ts";
import type { Address } from "./policy.ts";
import type { Sidecar } from "./sidecar.ts";

/** What is spoken on the connection; undefined for bytes of which nothing is known. */
export type Session = "http/1" | "http/2" | undefined;

/** The dial of `address`. Rejects with the fault of whatever failed, naming the address. */
export function dialAddress(sidecar: Sidecar, address: Address, session: Session): Dial<Conn> {
  const { clock, settings } = sidecar;
  const { connectTimeoutMs: timeoutMs } = settings.outbound;
  const options = dialOptions(sidecar, settings.outbound, address.ip);
  const at = { ip: address.ip, port: address.transportPort ?? address.port };
  const { tls, authority } = address;
  if (tls === undefined) return () => dial(at, options);
  const hasHeader = address.transportPort !== undefined || authority !== undefined;
  const tlsOptions = { clock, timeoutMs, ...(hasHeader ? { alpn: [TRANSPORT_ALPN] } : {}) };
  // A gateway is told a name and the port of that name, another sidecar only its own port.
  const [name = "", port = String(address.port)] = authority?.split(":") ?? [];
  const header = encodeTransportHeader({ port: Number(port), name, protocol: session });
  const ticket = hasHeader ? new Ticket() : undefined;
  return async () => {
    const credentials = sidecar.credentials.value;
    if (credentials === undefined) {
      throw new Fault("unavailable", "this proxy has no identity yet", { retryable: true });
    }
    const conn = await startTls(await dial(at, options), credentials, tls, tlsOptions, ticket);
    if (hasHeader) conn.write(header);
    return conn;
  };
}

/** Why there is no TLS to `address`, in Linkerd's words; undefined when there is. */
export function noTlsReason(address: Address): NoTlsReason | undefined {
  if (address.tls !== undefined) return undefined;
  return isLoopback(address.ip) ? "loopback" : "not_provided_by_service_discovery";
}
