// The rules that redirect a pod, in their order, and what a second run changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ofFamily } from "./proxyinit.ts";
import { redirectRules, type RedirectOptions } from "./iptables.ts";

const options: RedirectOptions = {
  inboundProxyPort: 4143,
  outboundProxyPort: 4140,
  proxyUid: 2102,
  proxyGid: -1,
  portsToRedirect: [],
  inboundPortsToIgnore: ["4190", "4191", "4567-4568"],
  outboundPortsToIgnore: ["443"],
  subnetsToIgnore: ["10.1.0.0/16"],
};

// Without "-t nat" and comments.
const short = (rules: readonly (readonly string[])[]): string[] =>
  rules.map((rule) =>
    rule
      .slice(2)
      .join(" ")
      .replace(/ -m comment --comment proxy-init\/\S+$/, ""),
  );

test("connections go through the proxy but for what is ignored, in this order", () => {
  assert.deepEqual(short(redirectRules(options)), [
    "-N PROXY_INIT_REDIRECT",
    "-A PREROUTING -j PROXY_INIT_REDIRECT",
    "-A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 4190,4191,4567:4568 -j RETURN",
    "-A PROXY_INIT_REDIRECT -s 10.1.0.0/16 -j RETURN",
    "-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143",
    "-N PROXY_INIT_OUTPUT",
    "-A OUTPUT -j PROXY_INIT_OUTPUT",
    "-A PROXY_INIT_OUTPUT -m owner --uid-owner 2102 -j RETURN",
    "-A PROXY_INIT_OUTPUT -o lo -j RETURN",
    "-A PROXY_INIT_OUTPUT -p tcp --match multiport --dports 443 -j RETURN",
    "-A PROXY_INIT_OUTPUT -p tcp -j REDIRECT --to-port 4140",
  ]);
});

test("chains that are there are emptied, and jumped to once", () => {
  const existing = [
    ":PROXY_INIT_REDIRECT - [0:0]",
    ":PROXY_INIT_OUTPUT - [0:0]",
    "-A PREROUTING -m comment --comment x -j PROXY_INIT_REDIRECT",
    "-A OUTPUT -m comment --comment x -j PROXY_INIT_OUTPUT",
  ].join("\n");
  const rules = short(redirectRules(options, existing));
  assert.equal(rules[0], "-F PROXY_INIT_REDIRECT");
  assert.ok(rules.includes("-F PROXY_INIT_OUTPUT"));
  assert.ok(
    !rules.some((rule) => rule.startsWith("-A PREROUTING") || rule.startsWith("-A OUTPUT")),
  );
});

test("a rule takes fifteen ports, of which a range counts for two", () => {
  const inboundPortsToIgnore = Array.from({ length: 8 }, (_, i) => `${i * 10 + 1}-${i * 10 + 2}`);
  const rules = short(redirectRules({ ...options, inboundPortsToIgnore }));
  const lists = rules.filter((rule) => rule.includes("PROXY_INIT_REDIRECT -p tcp --match"));
  assert.equal(lists.length, 2);
  assert.match(lists[1]!, /--dports 71:72 /);
});

test("only the ports that are listed are redirected", () => {
  const rules = short(redirectRules({ ...options, portsToRedirect: ["80", "443"] }));
  assert.ok(
    rules.includes(
      "-A PROXY_INIT_REDIRECT -p tcp --destination-port 80 -j REDIRECT --to-port 4143",
    ),
  );
  assert.ok(!rules.includes("-A PROXY_INIT_REDIRECT -p tcp -j REDIRECT --to-port 4143"));
});

test("each family gets the networks of its own addresses", () => {
  const both = { ...options, subnetsToIgnore: ["10.1.0.0/16", "fd00::/8"] };
  assert.deepEqual(ofFamily(both, "iptables").subnetsToIgnore, ["10.1.0.0/16"]);
  assert.deepEqual(ofFamily(both, "ip6tables").subnetsToIgnore, ["fd00::/8"]);
});
