// One request and one response type for HTTP/1 and HTTP/2. All fields are set in the constructor, so that
// every request has one shape; what a filter remembers for a request is a field here, never a context map.

import type { Fault } from "../base/fault.ts";
import type { Headers } from "../wire/headers.ts";
import type { Body } from "./body.ts";
import type { Peer, SocketAddr } from "./conn.ts";

const NOWHERE: SocketAddr = { ip: "0.0.0.0", port: 0 };

/** The peer of requests of our own, which come from no connection. */
export const SELF: Peer = {
  remote: NOWHERE,
  local: NOWHERE,
  original: NOWHERE,
  tls: { kind: "no_identity", reason: "loopback" },
};

/** 10, 11 or 20: the version that the sender spoke. */
export type HttpVersion = 10 | 11 | 20;

/** A byte stream in both directions after CONNECT, or after 101 to an Upgrade. */
export interface Tunnel {
  /** Bytes from the other side. */
  readonly incoming: Body;
  /** Sends what `outgoing` brings to the other side. Called once. */
  send(outgoing: Body): void;
}

export class HttpReq {
  method: string;
  /** Path and query as sent ("/a?b"), "*" for OPTIONS *, "" for CONNECT. */
  path: string;
  /** Host and port as sent in Host, :authority or the absolute form; "" when there was none. */
  authority: string;
  /** "http" or "https" when the absolute form or :scheme said so; else "". */
  scheme: string;
  version: HttpVersion;
  /** Whether the sender used the absolute form (RFC 9112 §3.2.2). */
  absolute: boolean;
  /** Without pseudo-fields; Host is kept here too for HTTP/1 and absent for HTTP/2. */
  headers: Headers;
  /** Names of fields that no hop may put into a compression table (RFC 7541 §6.2.3). */
  neverIndexed: readonly string[] | undefined;
  body: Body;
  /** The connection that it came on. */
  peer: Peer;
  /** Clock.now() when its head had been read. */
  at: number;
  /** The protocol of a wanted Upgrade ("websocket"), "" for CONNECT without protocol, undefined when no tunnel is wanted. */
  upgrade: string | undefined;
  /** The bytes that follow the head when a tunnel is wanted: joined to the tunnel of the response. */
  tunnel: Tunnel | undefined;
  /** Passes a 1xx response on to the client; undefined when the client cannot take one (HTTP/1.0). */
  inform: ((status: number, headers: Headers) => void) | undefined;
  /** Set once by whoever forwards it: told when the client goes away before the response head. */
  onCancel: ((fault: Fault) => void) | undefined;
  /** Why nobody waits for the response any more. */
  cancelled: Fault | undefined;
  /** The target that routing found and what filters keep for this request; opaque to io. */
  route: unknown;
  endpoint: unknown;
  /** How often it has been sent before this attempt. */
  attempt: number;
  /** The endpoints that earlier attempts went to: the balancer avoids them. */
  tried: unknown[] | undefined;

  constructor(
    method: string,
    path: string,
    authority: string,
    version: HttpVersion,
    headers: Headers,
    body: Body,
    peer: Peer,
    at: number,
  ) {
    this.method = method;
    this.path = path;
    this.authority = authority;
    this.scheme = "";
    this.version = version;
    this.absolute = false;
    this.headers = headers;
    this.neverIndexed = undefined;
    this.body = body;
    this.peer = peer;
    this.at = at;
    this.upgrade = undefined;
    this.tunnel = undefined;
    this.inform = undefined;
    this.onCancel = undefined;
    this.cancelled = undefined;
    this.route = undefined;
    this.endpoint = undefined;
    this.attempt = 0;
    this.tried = undefined;
  }

  /** The client is gone: whoever forwards the request is told, once. */
  cancel(fault: Fault): void {
    if (this.cancelled !== undefined) return;
    this.cancelled = fault;
    const onCancel = this.onCancel;
    this.onCancel = undefined;
    onCancel?.(fault);
  }
}

export class HttpRsp {
  status: number;
  version: HttpVersion;
  headers: Headers;
  /** As for a request. */
  neverIndexed: readonly string[] | undefined;
  body: Body;
  /** Clock.now() when its head had come and when its body had ended, once somebody has looked; 0 before. */
  at: number;
  endAt: number;
  /** The byte stream after 101 or a 2xx to CONNECT. */
  tunnel: Tunnel | undefined;
  /** Asks the server to close the client's connection after this response. */
  close: boolean;
  /** The fault that this response stands for, when the proxy made it up. */
  fault: Fault | undefined;

  constructor(status: number, headers: Headers, body: Body, version: HttpVersion = 11) {
    this.status = status;
    this.version = version;
    this.headers = headers;
    this.neverIndexed = undefined;
    this.body = body;
    this.at = 0;
    this.endAt = 0;
    this.tunnel = undefined;
    this.close = false;
    this.fault = undefined;
  }
}

/** A service of HTTP requests; the HttpService of `stack`. */
export type HttpService = (req: HttpReq) => Promise<HttpRsp>;
