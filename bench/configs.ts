// What other proxies are told, so that they do the same work: keep-alive on both sides, one worker for each core,
// metrics on, retries and ejection on where they have them, and no logs.

import { PORTS, type Protocol } from "./backend.ts";
import { INBOUND_PORT, OUTBOUND_PORT, type World } from "./world.ts";

/** One hop as a configuration sees it. */
export type Leg = {
  readonly protocol: Protocol;
  /** Where it listens and where it sends. */
  readonly ip: string;
  readonly port: number;
  readonly endpoints: readonly string[];
  readonly endpointPort: number;
  readonly cores: number;
  /** A folder of its own. */
  readonly home: string;
  /** For a meshed pair: at which end of the encrypted connection this proxy stands. */
  readonly tls: "none" | "client" | "server";
  /** The folder of ca.crt, tls.crt and tls.key. */
  readonly certs: string;
};

/** The leg in front of the client, and of the server. */
export function legOf(
  world: World,
  protocol: Protocol,
  end: "client" | "server",
  tls: boolean,
  endpoints: readonly string[],
  home: string,
): Leg {
  return {
    protocol,
    ip: world.local,
    port: end === "client" ? OUTBOUND_PORT : INBOUND_PORT,
    endpoints,
    endpointPort: PORTS[protocol].target,
    cores: world.cores,
    home,
    tls: tls ? end : "none",
    certs: world.folder,
  };
}

export function nginxConfig(leg: Leg): string {
  const scheme = leg.tls === "client" ? "https" : "http";
  const listen =
    `${leg.ip}:${leg.port} backlog=4096` +
    (leg.protocol === "grpc" ? " http2" : "") +
    (leg.tls === "server" ? " ssl" : "");
  const pass = leg.protocol === "grpc" ? "grpc_pass grpc://app;" : `proxy_pass ${scheme}://app;`;
  return `
daemon off;
master_process ${leg.cores > 1 ? "on" : "off"};
worker_processes ${leg.cores};
pid ${leg.home}/nginx.pid;
worker_rlimit_nofile 65536;
events { worker_connections 32768; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path ${leg.home}/body;
  proxy_temp_path ${leg.home}/proxy;
  fastcgi_temp_path ${leg.home}/fastcgi;
  uwsgi_temp_path ${leg.home}/uwsgi;
  scgi_temp_path ${leg.home}/scgi;
  upstream app {
    least_conn;
    ${leg.endpoints.map((ip) => `server ${ip}:${leg.endpointPort} max_fails=7;`).join("\n    ")}
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen ${listen};
    ${leg.tls === "server" ? mutual("ssl", "ssl_client_certificate", leg) : ""}
    location / {
      ${pass}
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Connection "";
      ${leg.tls === "client" ? `${mutual("proxy_ssl", "proxy_ssl_trusted_certificate", leg)} proxy_ssl_name server.bench;` : ""}
    }
  }
}
`;
}

function mutual(prefix: string, trust: string, leg: Leg): string {
  const verify = prefix === "ssl" ? "ssl_verify_client" : "proxy_ssl_verify";
  return [
    `${prefix}_certificate ${leg.certs}/tls.crt;`,
    `${prefix}_certificate_key ${leg.certs}/tls.key;`,
    `${trust} ${leg.certs}/ca.crt;`,
    `${prefix}_protocols TLSv1.3;`,
    `${verify} on;`,
  ].join(" ");
}

export function haproxyConfig(leg: Leg): string {
  const tcp = leg.protocol === "tcp";
  const proto = leg.protocol === "http2" || leg.protocol === "grpc" ? " proto h2" : "";
  const files = `crt ${leg.certs}/both.pem ca-file ${leg.certs}/ca.crt`;
  const bind = leg.tls === "server" ? ` ssl ${files} verify required` : "";
  const send = leg.tls === "client" ? ` ssl ${files} verify required verifyhost server.bench` : "";
  return `
global
  nbthread ${leg.cores}
  maxconn 8000
defaults
  mode ${tcp ? "tcp" : "http"}
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  retries 1
  ${tcp ? "" : "option http-keep-alive\n  http-reuse always"}
frontend in
  bind ${leg.ip}:${leg.port} backlog 4096${proto}${bind}
  default_backend app
backend app
  balance leastconn
  ${leg.endpoints.map((ip, n) => `server s${n} ${ip}:${leg.endpointPort}${proto}${send}`).join("\n  ")}
`;
}

const TYPE = "type.googleapis.com/envoy.extensions";

export function envoyConfig(leg: Leg): string {
  const address = (ip: string, port: number): object => ({
    socket_address: { address: ip, port_value: port },
  });
  return JSON.stringify({
    static_resources: {
      listeners: [
        {
          name: "in",
          address: address(leg.ip, leg.port),
          tcp_backlog_size: 4096,
          filter_chains: [
            {
              filters: [leg.protocol === "tcp" ? envoyTcp : envoyHttp],
              ...(leg.tls === "server" && { transport_socket: envoyTls("Downstream", leg) }),
            },
          ],
        },
      ],
      clusters: [
        {
          name: "app",
          type: "STATIC",
          connect_timeout: "1s",
          lb_policy: "LEAST_REQUEST",
          outlier_detection: { consecutive_5xx: 7 },
          circuit_breakers: {
            thresholds: [
              { max_connections: 20_000, max_pending_requests: 20_000, max_requests: 20_000 },
            ],
          },
          ...(leg.protocol === "http2" || leg.protocol === "grpc" ? envoyHttp2 : {}),
          load_assignment: {
            cluster_name: "app",
            endpoints: [
              {
                lb_endpoints: leg.endpoints.map((ip) => ({
                  endpoint: { address: address(ip, leg.endpointPort) },
                })),
              },
            ],
          },
          ...(leg.tls === "client" && { transport_socket: envoyTls("Upstream", leg) }),
        },
      ],
    },
  });
}

const envoyTcp = {
  name: "tcp",
  typed_config: {
    "@type": `${TYPE}.filters.network.tcp_proxy.v3.TcpProxy`,
    stat_prefix: "in",
    cluster: "app",
  },
};

const envoyHttp = {
  name: "http",
  typed_config: {
    "@type": `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: "in",
    codec_type: "AUTO",
    route_config: {
      virtual_hosts: [
        {
          name: "app",
          domains: ["*"],
          routes: [
            {
              match: { prefix: "/" },
              route: {
                cluster: "app",
                timeout: "10s",
                retry_policy: { retry_on: "connect-failure,refused-stream", num_retries: 1 },
              },
            },
          ],
        },
      ],
    },
    http_filters: [
      { name: "router", typed_config: { "@type": `${TYPE}.filters.http.router.v3.Router` } },
    ],
  },
};

const envoyHttp2 = {
  typed_extension_protocol_options: {
    [`envoy.extensions.upstreams.http.v3.HttpProtocolOptions`]: {
      "@type": `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};

function envoyTls(side: "Upstream" | "Downstream", { certs }: Leg): object {
  return {
    name: "tls",
    typed_config: {
      "@type": `${TYPE}.transport_sockets.tls.v3.${side}TlsContext`,
      ...(side === "Downstream" ? { require_client_certificate: true } : { sni: "server.bench" }),
      common_tls_context: {
        tls_params: {
          tls_minimum_protocol_version: "TLSv1_3",
          tls_maximum_protocol_version: "TLSv1_3",
        },
        tls_certificates: [
          {
            certificate_chain: { filename: `${certs}/tls.crt` },
            private_key: { filename: `${certs}/tls.key` },
          },
        ],
        validation_context: { trusted_ca: { filename: `${certs}/ca.crt` } },
      },
    },
  };
}
