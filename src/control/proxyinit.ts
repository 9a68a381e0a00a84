// The program `linkerd proxy-init`: applies the rules that redirect a pod's connections, and ends. It runs in an init
// container with NET_ADMIN; where the wanted iptables is missing or refuses, it tries the others.

import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
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
  const logger = log.logger("proxy-init");
  const options = optionsOf(values);
  const families = values.ipv6 === "false" ? ["iptables"] : ["iptables", "ip6tables"];
  const wait = values["use-wait-flag"] ? ["-w"] : [];
  if (values.simulate) {
    for (const family of families)
      for (const rule of redirectRules(options))
        process.stdout.write(`${[family, ...wait, ...rule].join(" ")}\n`);
    return 0;
  }
  const seconds = Number(values["timeout-close-wait-secs"]);
  if (seconds > 0) writeFileSync(CLOSE_WAIT, String(seconds));
  const within = values.netns ? ["nsenter", `--net=${values.netns}`] : [];
  for (const family of families) {
    const { program, rules } = await applied(family, values, options, [...within], wait);
    logger.info("redirected", { program, rules });
  }
  return 0;
}

type Given = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

function optionsOf(values: Given): RedirectOptions {
  const list = (text = ""): string[] =>
    text
      .split(",")
      .map((word) => word.trim())
      .filter(Boolean);
  return {
    inboundProxyPort: Number(values["incoming-proxy-port"]),
    outboundProxyPort: Number(values["outgoing-proxy-port"]),
    proxyUid: Number(values["proxy-uid"]),
    proxyGid: Number(values["proxy-gid"]),
    portsToRedirect: list(values["ports-to-redirect"]),
    inboundPortsToIgnore: list(values["inbound-ports-to-ignore"]),
    outboundPortsToIgnore: list(values["outbound-ports-to-ignore"]),
    subnetsToIgnore: list(values["subnets-to-ignore"]),
  };
}

// Kernels have one of the two back ends at least; images may have either.
async function applied(
  family: string,
  values: Given,
  options: RedirectOptions,
  within: string[],
  wait: string[],
): Promise<{ program: string; rules: number }> {
  const errors: string[] = [];
  for (const mode of modesOf(values["iptables-mode"])) {
    const program =
      values["firewall-bin-path"] ?? (mode === "plain" ? family : `${family}-${mode}`);
    const save = values["firewall-save-bin-path"] ?? `${program}-save`;
    try {
      const existing = await output([...within, save, "-t", "nat"]);
      const rules = redirectRules(options, existing);
      for (const rule of rules) await output([...within, program, ...wait, ...rule]);
      return { program, rules: rules.length };
    } catch (error) {
      errors.push(Fault.from(error).message.trim());
    }
  }
  throw new Fault("no-permission", `no iptables could set the rules:\n${errors.join("\n")}`);
}

function modesOf(wanted = "nft"): string[] {
  return [...new Set([wanted, "nft", "legacy", "plain"])];
}

async function output([program = "", ...words]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(program, words)).stdout;
}
