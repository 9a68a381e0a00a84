// The types of a router's settings, by the parts that use them. HTTP and HTTP/2 routers are one machine here, so most
// parts take what both have.

import type { Router } from "./yamlrouter.ts";
import type { PolicyEntry } from "./yamlpolicy.ts";

export type HttpRouterConfig = Extract<Router, { protocol: "http" }>;
export type H2RouterConfig = Extract<Router, { protocol: "h2" }>;

export type TcpRouterConfig = Extract<Router, { protocol: "tcp" }>;

/** A router of requests, whatever version of HTTP they come in. */
export type RequestRouterConfig = HttpRouterConfig | H2RouterConfig;

/** The values of one policy, without the choice of its kind. */
type Flat<P> = P extends { readonly configs: readonly PolicyEntry<unknown>[] }
  ? never
  : Omit<P, "kind">;

export type ServicePolicy = Flat<RequestRouterConfig["service"]>;
export type HttpClientPolicy = Flat<HttpRouterConfig["client"]>;
export type H2ClientPolicy = Flat<H2RouterConfig["client"]>;
export type ClientPolicy = HttpClientPolicy | H2ClientPolicy;

export type HttpServerConfig = HttpRouterConfig["servers"][number];
export type H2ServerConfig = H2RouterConfig["servers"][number];
export type ServerConfig = HttpServerConfig | H2ServerConfig;

export type ClientTls = NonNullable<ClientPolicy["tls"]>;
export type ServerTls = NonNullable<ServerConfig["tls"]>;
export type SocketOptions = ServerConfig["socketOptions"];
