// The four steps of a request, told before it is sent: identification (its name), binding (the clients that the name
// leads to), resolution (their addresses), balancing (how one of them is chosen, and the settings that hold there).

import { Body } from "../io/body.ts";
import type { Peer } from "../io/conn.ts";
import { HttpReq } from "../io/message.ts";
import { type BoundJson, type Delegation, isSettled } from "../name/delegate.ts";
import { outcome, printDelegation, winningSteps } from "../name/explain.ts";
import { parsePath } from "../name/path.ts";
import { header, type Headers } from "../wire/headers.ts";
import { localDtab } from "./localdtab.ts";
import type { ClientPolicy, ServicePolicy } from "./routerconfig.ts";
import type { RouterInstance } from "./routerinstance.ts";
import { settled } from "./settled.ts";
import { type Policy, policyFor } from "./yamlpolicy.ts";

/** A request as it is written on a command line. */
export type AskedRequest = {
  readonly method: string;
  /** `http://web/path`, or a path with a Host among the headers. */
  readonly url: string;
  readonly headers: Headers;
};

export type Explanation = {
  readonly router: string;
  /** The name of the service, or why there is none. */
  readonly identification: { readonly name?: string; readonly error?: string };
  readonly binding?: {
    readonly outcome: string;
    readonly steps: readonly string[];
    readonly tree: string;
  };
  /** The clients that it may go to, each with its share and addresses. */
  readonly resolution?: readonly {
    readonly client: string;
    readonly share: number;
    readonly residual: string;
    readonly addresses: readonly string[];
    readonly state: string;
  }[];
  readonly balancing?: readonly { readonly client: string; readonly settings: object }[];
  readonly service?: object;
};

const SETTLE_MS = 2000;
const NOWHERE = { ip: "127.0.0.1", port: 0 };
const PEER: Peer = {
  remote: NOWHERE,
  local: NOWHERE,
  original: NOWHERE,
  tls: { kind: "no_identity", reason: "disabled" },
};

/** What `router` would do with a request now. */
export async function explainRequest(
  { config, parts, identifier }: RouterInstance,
  { method, url, headers }: AskedRequest,
): Promise<Explanation> {
  const [, authority, path] = /^(?:https?:\/\/)?([^/]*)(\/.*)?$/i.exec(url) ?? [];
  const host = authority || header(headers, "host") || "";
  const version = config.protocol === "h2" ? 20 : 11;
  const req = new HttpReq(method, path ?? "/", host, version, [...headers], Body.empty, PEER, 0);
  const named = identifier.identify(req);
  const router = config.label;
  if (typeof named === "string") return { router, identification: { error: named } };
  const texts = ["l5d-ctx-dtab", "l5d-dtab"].map((name) => header(headers, name) ?? "");
  const local = localDtab(texts.join("\n"));
  const watch = parts.interpreter.delegate?.([...config.dtab, ...local.dtab], named.path);
  const tree = watch && (await settled(watch, parts.clock, SETTLE_MS, isSettled)).value;
  const identification = { name: named.text };
  if (tree === undefined) return { router, identification };
  const found = [...bounds(tree, 1)];
  const service = policyFor(config.service as Policy<ServicePolicy>, named.path).settings;
  return {
    router,
    identification,
    binding: {
      outcome: outcome(tree),
      steps: winningSteps(tree).map(({ path: step, dentry }) =>
        dentry === undefined ? step : `${step}  (${dentry.prefix} => ${dentry.dst})`,
      ),
      tree: printDelegation(tree),
    },
    resolution: found.map(({ bound, share }) => ({
      client: bound.id,
      share: Math.round(share * 1000) / 1000,
      residual: bound.path,
      state: bound.addr.type === "failed" ? `failed: ${bound.addr.cause}` : bound.addr.type,
      addresses:
        bound.addr.type === "bound" ? bound.addr.addrs.map(({ ip, port }) => `${ip}:${port}`) : [],
    })),
    balancing: found.map(({ bound }) => ({
      client: bound.id,
      settings: clientSettings(
        policyFor(config.client as Policy<ClientPolicy>, parsePath(bound.id)).settings,
      ),
    })),
    service: {
      totalTimeoutMs: service.totalTimeoutMs,
      responseClassifier: service.responseClassifier.kind,
      retries: service.retries,
    },
  };
}

/** The explanation as text, step by step. */
export function printExplanation(one: Explanation): string {
  const { identification, binding, resolution = [], balancing = [], service } = one;
  const lines = [`router ${one.router}`];
  lines.push(`1. identification: ${identification.name ?? `none: ${identification.error}`}`);
  if (binding === undefined) return `${lines.join("\n")}\n`;
  lines.push(`2. binding: ${binding.outcome}`, ...binding.steps.map((step) => `     ${step}`));
  if (binding.outcome !== "bound") {
    lines.push("   all that was tried:", ...binding.tree.split("\n").map((line) => `     ${line}`));
  }
  lines.push("3. resolution:");
  for (const { client, share, residual, addresses, state } of resolution) {
    const rest = residual === "/" ? "" : `, rest of the name ${residual}`;
    const part = share === 1 ? "" : ` (${Math.round(share * 1000) / 10} % of requests)`;
    lines.push(`     ${client}${part}${rest}: ${addresses.join(", ") || state}`);
  }
  lines.push("4. balancing:");
  for (const { client, settings } of balancing) {
    lines.push(`     ${client}: ${JSON.stringify(settings)}`);
  }
  lines.push(`   service: ${JSON.stringify(service)}`);
  return `${lines.join("\n")}\n`;
}

// The leaves that win, with the share of requests that each gets.
function* bounds(node: Delegation, share: number): Generator<{ bound: BoundJson; share: number }> {
  switch (node.type) {
    case "leaf":
      yield { bound: node.bound, share };
      return;
    case "delegate":
      yield* bounds(node.delegate, share);
      return;
    case "transformation":
      yield* bounds(node.tree, share);
      return;
    case "alt": {
      const winner = node.alt.find((branch) => outcome(branch) !== "neg");
      if (winner) yield* bounds(winner, share);
      return;
    }
    case "union": {
      const alive = node.union.filter(({ tree }) => outcome(tree) === "bound");
      const total = alive.reduce((sum, { weight }) => sum + weight, 0);
      for (const { weight, tree } of alive) yield* bounds(tree, (share * weight) / total);
      return;
    }
    default:
  }
}

function clientSettings(settings: ClientPolicy): object {
  const { loadBalancer, failureAccrual, requestAttemptTimeoutMs, failFast, tls } = settings;
  return {
    loadBalancer: loadBalancer.kind,
    failureAccrual,
    failFast,
    requestAttemptTimeoutMs,
    tls: tls?.enabled ? (tls.commonName ?? "any certificate") : "none",
  };
}
