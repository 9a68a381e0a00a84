// The program `linkerd proxy-init`: applies the rules that redirect a pod's connections, and ends. It runs in an init
// container with NET_ADMIN; where the wanted iptables is missing or refuses, it tries the others.

import { execFile } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { enterNetwork } from "../io/netns.ts";
import { wordsOf } from "./injectinit.ts";
import { redirectRules, type RedirectOptions } from "./iptables.ts";

const OPTIONS = {
  "incoming-proxy-port": { type: "string", short: "p", default: "4143" },
  "outgoing-proxy-port": { type: "string", short: "o", default: "4140" },
  "proxy-uid": { type: "string", short: "u", default: "-1" },
  "proxy-gid": { type: "string", short: "g", default: "-1" },
  "ports-to-redirect": { type: "string", short: "r", default: "" },
  "inbound-ports-to-ignore": { type: "string", default: "" },
  "outbound-ports-to-ignore": { type: "string", default: "" },
  "subnets-to-ignore": { type: "string", default: "" },
  simulate: { type: "boolean", default: false },
  netns: { type: "string" },
  "use-wait-flag": { type: "boolean", short: "w", default: false },
  "timeout-close-wait-secs": { type: "string", default: "0" },
  "log-format": { type: "string", default: "plain" },
  "log-level": { type: "string", default: "info" },
  "iptables-mode": { type: "string" },
  "firewall-bin-path": { type: "string" },
  "firewall-save-bin-path": { type: "string" },
  ipv6: { type: "string", default: "true" },
} as const;

const CLOSE_WAIT = "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_close_wait";

/** Applies the rules that `words` describe, or prints them; resolves to the exit code. */
export async function runProxyInit(words: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...words], options: OPTIONS, allowPositionals: false });
  const options = optionsOf(values);
  const how: Redirecting = {
    ipv6: values.ipv6 !== "false",
    mode: values["iptables-mode"],
    program: values["firewall-bin-path"],
    save: values["firewall-save-bin-path"],
    wait: values["use-wait-flag"],
  };
  if (values.simulate) {
    for (const family of familiesOf(how))
      for (const rule of redirectRules(ofFamily(options, family)))
        process.stdout.write(`${[family, ...waitOf(how), ...rule].join(" ")}\n`);
    return 0;
  }
  const seconds = Number(values["timeout-close-wait-secs"]);
  if (seconds > 0) writeFileSync(CLOSE_WAIT, String(seconds));
  if (values.netns) enterNetwork(openSync(values.netns, "r"));
  await redirect(options, how);
  return 0;
}

export type Redirecting = {
  readonly ipv6: boolean;
  /** Which iptables to try first: nft, legacy or plain. Default nft. */
  readonly mode?: string | undefined;
  /** Programs to use in place of those. */
  readonly program?: string | undefined;
  readonly save?: string | undefined;
  /** Whether to wait for the lock of iptables. */
  readonly wait: boolean;
};

/** Sets the rules in the network namespace of this process; rejects with `no-permission` when no iptables can. */
export async function redirect(options: RedirectOptions, how: Redirecting): Promise<void> {
  for (const family of familiesOf(how)) {
    const { program, rules } = await applied(family, how, options);
    log.logger("proxy-init").info("redirected", { program, rules });
  }
}

/** Of networks, each program takes those of its own kind of address. */
export function ofFamily(options: RedirectOptions, family: string): RedirectOptions {
  const isV6 = family === "ip6tables";
  const subnetsToIgnore = options.subnetsToIgnore.filter((each) => each.includes(":") === isV6);
  return { ...options, subnetsToIgnore };
}

const familiesOf = ({ ipv6 }: Redirecting): string[] =>
  ipv6 ? ["iptables", "ip6tables"] : ["iptables"];
const waitOf = ({ wait }: Redirecting): string[] => (wait ? ["-w"] : []);

type Given = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

function optionsOf(values: Given): RedirectOptions {
  return {
    inboundProxyPort: Number(values["incoming-proxy-port"]),
    outboundProxyPort: Number(values["outgoing-proxy-port"]),
    proxyUid: Number(values["proxy-uid"]),
    proxyGid: Number(values["proxy-gid"]),
    portsToRedirect: wordsOf(values["ports-to-redirect"]),
    inboundPortsToIgnore: wordsOf(values["inbound-ports-to-ignore"]),
    outboundPortsToIgnore: wordsOf(values["outbound-ports-to-ignore"]),
    subnetsToIgnore: wordsOf(values["subnets-to-ignore"]),
  };
}

// Kernels have one of the two back ends at least; images may have either.
async function applied(
  family: string,
  how: Redirecting,
  options: RedirectOptions,
): Promise<{ program: string; rules: number }> {
  const errors: string[] = [];
  for (const mode of new Set([how.mode ?? "nft", "nft", "legacy", "plain"])) {
    const program = how.program ?? (mode === "plain" ? family : `${family}-${mode}`);
    try {
      const existing = await output([how.save ?? `${program}-save`, "-t", "nat"]);
      const rules = redirectRules(ofFamily(options, family), existing);
      for (const rule of rules) await output([program, ...waitOf(how), ...rule]);
      return { program, rules: rules.length };
    } catch (error) {
      errors.push(`${program}: ${Fault.from(error).message.trim()}`);
    }
  }
  throw new Fault(
    "no-permission",
    `no iptables could set the rules${process.getuid!() === 0 ? "" : WITHOUT_ROOT}:\n${errors.join("\n")}`,
  );
}

const WITHOUT_ROOT =
  " without root, which takes file capabilities in the image and a runtime that lets them count (--set proxyInit.runAsRoot=true goes without)";

async function output([program = "", ...words]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, words)).stdout;
}
