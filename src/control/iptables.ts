// The iptables rules that send a pod's connections through its sidecar, as commands: a pure function of the options, so
// that they can be shown, tested, and applied by an init container or a CNI plugin alike.

export type RedirectOptions = {
  readonly inboundProxyPort: number;
  readonly outboundProxyPort: number;
  /** The user of the proxy, whose own connections go out directly. */
  readonly proxyUid: number;
  /** The same by group; -1 for none. */
  readonly proxyGid: number;
  /** Redirect these only; empty for all. */
  readonly portsToRedirect: readonly string[];
  /** Ports and ranges ("80", "8000-8010") that go past the proxy. */
  readonly inboundPortsToIgnore: readonly string[];
  readonly outboundPortsToIgnore: readonly string[];
  /** Clients of these networks reach the application directly. */
  readonly subnetsToIgnore: readonly string[];
};

/** The words of one command after its program. */
export type Rule = readonly string[];

const INBOUND_CHAIN = "PROXY_INIT_REDIRECT";
const OUTBOUND_CHAIN = "PROXY_INIT_OUTPUT";

// What the module multiport takes; a range counts for two.
const MOST_PORTS = 15;

/** Every rule, in order. Chains that are there already (`existing`) are emptied, and not jumped to a second time. */
export function redirectRules(options: RedirectOptions, existing = ""): Rule[] {
  const has = (chain: string): boolean =>
    existing.includes(`:${chain} `) || existing.includes(`-N ${chain}`);
  const chain = (name: string, from: string, jump: string): Rule[] => [
    ["-t", "nat", has(name) ? "-F" : "-N", name],
    ...(existing.includes(`-A ${from} `) && existing.includes(`-j ${name}`)
      ? []
      : [append(from, ["-j", name], jump)]),
  ];
  return [
    ...chain(INBOUND_CHAIN, "PREROUTING", "install-proxy-init-prerouting"),
    ...inbound(options),
    ...chain(OUTBOUND_CHAIN, "OUTPUT", "install-proxy-init-output"),
    ...outbound(options),
  ];
}

function inbound(options: RedirectOptions): Rule[] {
  const to = ["--to-port", String(options.inboundProxyPort)];
  return [
    ...ignorePorts(INBOUND_CHAIN, options.inboundPortsToIgnore),
    ...options.subnetsToIgnore.map((subnet) =>
      append(INBOUND_CHAIN, ["-s", subnet, "-j", "RETURN"], `ignore-subnet-${subnet}`),
    ),
    ...(options.portsToRedirect.length === 0
      ? [
          append(
            INBOUND_CHAIN,
            ["-p", "tcp", "-j", "REDIRECT", ...to],
            "redirect-all-incoming-to-proxy-port",
          ),
        ]
      : options.portsToRedirect.map((port) =>
          append(
            INBOUND_CHAIN,
            ["-p", "tcp", "--destination-port", port, "-j", "REDIRECT", ...to],
            `redirect-port-${port}-to-proxy-port`,
          ),
        )),
  ];
}

function outbound(options: RedirectOptions): Rule[] {
  const owner = (kind: "uid" | "gid", id: number, comment: string): Rule[] =>
    id < 0
      ? []
      : [
          append(
            OUTBOUND_CHAIN,
            ["-m", "owner", `--${kind}-owner`, String(id), "-j", "RETURN"],
            comment,
          ),
        ];
  return [
    ...owner("uid", options.proxyUid, "ignore-proxy-user-id"),
    ...owner("gid", options.proxyGid, "ignore-proxy-group-id"),
    append(OUTBOUND_CHAIN, ["-o", "lo", "-j", "RETURN"], "ignore-loopback"),
    ...ignorePorts(OUTBOUND_CHAIN, options.outboundPortsToIgnore),
    append(
      OUTBOUND_CHAIN,
      ["-p", "tcp", "-j", "REDIRECT", "--to-port", String(options.outboundProxyPort)],
      "redirect-all-outgoing-to-proxy-port",
    ),
  ];
}

function ignorePorts(chain: string, ports: readonly string[]): Rule[] {
  return batches(ports).map((batch) => {
    const list = batch.map((port) => port.replace("-", ":")).join(",");
    const match = ["-p", "tcp", "--match", "multiport", "--dports", list, "-j", "RETURN"];
    return append(chain, match, `ignore-port-${batch.join(",")}`);
  });
}

function batches(ports: readonly string[]): string[][] {
  const result: string[][] = [];
  let room = 0;
  for (const port of ports) {
    const cost = port.includes("-") ? 2 : 1;
    if (cost > room) {
      result.push([]);
      room = MOST_PORTS;
    }
    result.at(-1)!.push(port);
    room -= cost;
  }
  return result;
}

function append(chain: string, words: readonly string[], comment: string): Rule {
  return [
    "-t",
    "nat",
    "-A",
    chain,
    ...words,
    "-m",
    "comment",
    "--comment",
    `proxy-init/${comment}`,
  ];
}
