// The environment, read: applies the table to process.env and checks what no single variable can tell.
// All mistakes are reported at once, each with its variable and what would be right; the program then exits
// with 64 (EX_USAGE), as linkerd2-proxy does.

import { Fault } from "../base/fault.ts";
import { isLoopback } from "../stack/authorize.ts";
import { OWN, TABLE, type Row, type Settings } from "./envtable.ts";

export type { Settings } from "./envtable.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const PREFIX = "LINKERD2_PROXY_";

/** The settings of `env`. Throws one `bad-input` fault that names every mistake, a line each. */
export function parseSettings(env: Env): Settings {
  const mistakes: string[] = [];
  const read = (prefix: string, row: Row<unknown>): unknown => {
    const name = prefix + row.name;
    const value = env[name];
    // A variable that is set to nothing counts as unset: manifests can leave one out no other way.
    if (value === undefined || value === "") return row.fallback;
    try {
      return row.type(value);
    } catch (error) {
      mistakes.push(`${name}=${clip(value)}: ${(error as Error).message}`);
      return row.fallback;
    }
  };
  const group = (prefix: string, rows: Record<string, Row<unknown>>): object =>
    Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, read(prefix, row)]));
  const groups = Object.entries(TABLE).map(([key, rows]) => [key, group(PREFIX, rows)]);
  const settings = { ...Object.fromEntries(groups), own: group("", OWN) } as Settings;
  mistakes.push(...missing(settings));
  if (mistakes.length > 0) {
    throw new Fault("bad-input", `wrong environment:\n  ${mistakes.join("\n  ")}`);
  }
  return settings;
}

function missing(s: Settings): string[] {
  const mistakes: string[] = [];
  const need = (has: unknown, name: string, why: string): void => {
    if (has === undefined || has === "") mistakes.push(`${PREFIX}${name} is not set: ${why}`);
  };
  const service = (name: string, group: { svcAddr?: unknown; svcName?: unknown }): void => {
    const addr = group.svcAddr as { host: string } | undefined;
    need(addr, `${name}_SVC_ADDR`, "the host and port of the service, such as localhost:8086");
    if (addr && !isThisMachine(addr.host)) {
      need(
        group.svcName,
        `${name}_SVC_NAME`,
        `${addr.host} is not loopback, so its identity is checked`,
      );
    }
  };
  service("DESTINATION", s.destination);
  service("POLICY", s.policy);
  need(s.policy.workload, "POLICY_WORKLOAD", 'such as {"ns":"default","pod":"web-1"}');
  if (s.identity.disabled) {
    mistakes.push(
      `${PREFIX}IDENTITY_DISABLED is set: a proxy without identity is not supported; unset it`,
    );
  }
  if (!s.own.trustAnchorsFile) {
    need(
      s.identity.trustAnchors,
      "IDENTITY_TRUST_ANCHORS",
      "the PEM certificates of the trust anchors",
    );
  }
  if (!(s.identity.serverId && s.identity.serverName)) {
    need(
      s.identity.localName,
      "IDENTITY_LOCAL_NAME",
      "or IDENTITY_SERVER_ID and IDENTITY_SERVER_NAME together",
    );
  }
  if (!s.identity.spireAddr && !s.identity.spireSocket) {
    service("IDENTITY", s.identity);
    need(
      s.identity.tokenFile,
      "IDENTITY_TOKEN_FILE",
      "the file that holds the token of the service account",
    );
  }
  return mistakes;
}

/** Whether `host` names this machine: one of its own addresses, or localhost. */
export function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "localhost." || isLoopback(host);
}

function clip(value: string): string {
  return value.length > 60 ? `${value.slice(0, 57)}...` : value;
}
