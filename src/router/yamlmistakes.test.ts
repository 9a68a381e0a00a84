// Damaged linkerd.yamls are diagnosed at once and in place, and no text makes the reader throw.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { entryKind, read, routed } from "../../test/support/linkerdyaml.ts";
import { readRouterConfig } from "./yaml.ts";

/** One damaged file and all that must be said about it; a line may be cut off with `…`. */
const damaged: [name: string, source: string, said: string[]][] = [
  ["an empty file", "# nothing\n", ["l.yaml:1:1: error: No content to map due to end-of-input"]],
  [
    "no routers",
    "admin: {port: 1}\n",
    ["l.yaml:1:1: error: routers: At least one router must be specified in the configuration."],
  ],
  [
    "a pattern that is none",
    `admin: {port: 1, security: {pathBlacklist: ["/admin/["]}}\n${routed("")}`,
    [
      'l.yaml:1:45: error: admin.security.pathBlacklist[0]: "/admin/[" is not allowed here: must be a regular expression',
    ],
  ],
  [
    "B1, F2: servers at the top",
    "routers:\n- protocol: http\nservers:\n- port: 99999\n",
    [
      "l.yaml:2:3: error: routers[0].servers: router 'http' has no servers (add servers: with a port)",
      'l.yaml:3:1: error: servers: Unrecognized field "servers" (it belongs under routers[0])',
      "l.yaml:4:9: error: servers[0].port: 99999 outside valid range for ports (allowed: 0 to 65535)",
    ],
  ],
  [
    "F1: digits for letters",
    `namers: [{kind: io.15d.fs, rootDir: disco}]
telemetry: [{kind: io.15d.prometheus}]
routers:
- protocol: http
  servers: [{port: 1}]
  service: {responseClassifier: {kind: io.15d.http.retryableRead5XX}}
  client: {failureAccrual: {kind: io.15d.consecutiveFailures, failures: 2}}
`,
    [
      "l.yaml:1:17: error: namers[0].kind: Could not resolve type id 'io.15d.fs' (did you mean io.l5d.fs? known kinds: …",
      "l.yaml:2:20: error: telemetry[0].kind: Could not resolve type id 'io.15d.prometheus' (did you mean io.l5d.prometheus? …",
      "l.yaml:6:40: error: routers[0].service.responseClassifier.kind: Could not resolve type id 'io.15d.http.retryableRead5XX' (did you mean io.l5d.http.retryableRead5XX? …",
      "l.yaml:7:35: error: routers[0].client.failureAccrual.kind: Could not resolve type id 'io.15d.consecutiveFailures' (did you mean io.l5d.consecutiveFailures? …",
    ],
  ],
  [
    "F3: backoff a level too high",
    routed(
      "  client:\n    failureAccrual: {kind: io.l5d.consecutiveFailures, failures: 2}\n    backoff: {kind: constant, ms: x}\n",
    ),
    [
      'l.yaml:6:5: error: routers[0].client.backoff: Unrecognized field "backoff" (it belongs under routers[0].client.failureAccrual)',
      "l.yaml:6:35: error: routers[0].client.backoff.ms: x is not allowed here: must be a whole number from 0",
    ],
  ],
  [
    "F4, F6, F11: a client in the service, its entries outside, slashes lost",
    routed(`  service:
    responseClassifier: {kind: io.l5d.http.retryable5XX}
    client:
      kind: io.l5d.static
  configs:
  - prefix: "/$io.buoyant.rinet/443/{service}"
  - prefix: "%/io.l5d.k8s.daemonset"
`),
    [
      "l.yaml:5:32: warning: routers[0].service.responseClassifier.kind: io.l5d.http.retryable5XX: no release ever had it; …",
      'l.yaml:6:5: error: routers[0].service.client: Unrecognized field "client" (it belongs under routers[0])',
      'l.yaml:8:3: error: routers[0].configs: Unrecognized field "configs" (it belongs under routers[0].service or routers[0].client)',
      "l.yaml:9:13: warning: routers[0].configs[0].prefix: nothing begins so: a slash is missing (did you mean /$/io.buoyant.rinet/443/{service}?)",
      "l.yaml:10:14: error: routers[0].configs[1].prefix: '/' expected but '%' found at '[%]/io.l5d.k8s.daemonset' (did you mean /%/io.l5d.k8s.daemonset?)",
    ],
  ],
  [
    "F8: weights behind their paths",
    routed("  dtab: |\n    /svc => /a ;\n    /a => /$/inet/h/1 * 0.9 & /$/inet/h/2 * 0.1\n"),
    [
      "l.yaml:6:11: warning: routers[0].dtab: a weight stands before its path in Linkerd 1: write 0.9 * /$/inet/h/1",
      "l.yaml:6:31: warning: routers[0].dtab: a weight stands before its path in Linkerd 1: write 0.1 * /$/inet/h/2",
    ],
  ],
  [
    "a mistake in a dtab, at its place in the file",
    routed("  dtab: >\n    /svc => /a ;\n    /a => /b |\n"),
    [
      "l.yaml:6:15: error: routers[0].dtab: simple expected but end of input found at '/svc => /a ; /a => /b |…",
    ],
  ],
  [
    "the same in quotes",
    routed('  dtab: "/a\\\\x20b => /$/inet/h/1 ; /svc => {"\n'),
    ["l.yaml:4:44: error: routers[0].dtab: simple expected but '{' found at …"],
  ],
  [
    "keys twice, keys nobody knows, values of the wrong type",
    routed(
      "  label: a\n  label: b\n  dstPrefx: /svc\n  dstPrefix: svc\n  originator: 3\n  client: io.l5d.static\n  admin: 9990\n",
    ),
    [
      "l.yaml:5:3: error: routers[0].label: Duplicate field 'label'",
      'l.yaml:6:3: error: routers[0].dstPrefx: Unrecognized field "dstPrefx" (did you mean dstPrefix?)',
      "l.yaml:7:14: error: routers[0].dstPrefix: '/' expected but 's' found at '[s]vc' (did you mean /svc?)",
      "l.yaml:8:15: error: routers[0].originator: 3 is not allowed here: must be true or false",
      "l.yaml:9:11: error: routers[0].client: io.l5d.static is not allowed here: must be a mapping with a kind (write { kind: io.l5d.static })",
      'l.yaml:10:3: error: routers[0].admin: Unrecognized field "admin" (it belongs under the top level)',
      "l.yaml:10:10: error: routers[0].admin: 9990 is not allowed here: must be a mapping with the keys ip, …",
    ],
  ],
  [
    "keys of older releases",
    `tracers: [{kind: zipkin}]
routers:
- protocol: http
  servers: [{port: 1}]
  baseDtab: /svc => /a
  timeoutMs: 5
  maxChunkKB: 8
  client: {tls: {kind: io.l5d.noValidation, disableValidation: true}}
`,
    [
      'l.yaml:1:1: error: tracers: Unrecognized field "tracers" (gone since 0.9: tracers are telemeters, write them under telemetry)',
      'l.yaml:5:3: error: routers[0].baseDtab: Unrecognized field "baseDtab" (gone since 0.9: write dtab)',
      'l.yaml:6:3: error: routers[0].timeoutMs: Unrecognized field "timeoutMs" (gone since 1.0: write service.totalTimeoutMs)',
      "l.yaml:7:3: warning: routers[0].maxChunkKB: ignored: gone since 1.6.0 (remove it)",
      'l.yaml:8:18: error: routers[0].client.tls.kind: Unrecognized field "kind" (gone since 1.0: io.l5d.noValidation is disableValidation: true, …',
    ],
  ],
  [
    "ports and labels that collide",
    `admin: {port: 4140}
routers:
- {protocol: http, servers: [{port: 4140}, {port: 4141}]}
- {protocol: http, servers: [{port: 4141, ip: 127.0.0.2}, {port: 4141, ip: 0.0.0.0}]}
`,
    [
      "l.yaml:3:37: error: routers[0].servers[0].port: Server conflict on port 4140 (admin.port has it already)",
      "l.yaml:4:3: error: routers[1].label: Multiple routers with the label http (give each a label of its own)",
      "l.yaml:4:66: warning: routers[1].servers[1].port: port 4141 of 0.0.0.0 is that of every address (routers[0].servers[1].port has it already)",
      "l.yaml:4:66: warning: routers[1].servers[1].port: port 4141 of 0.0.0.0 is that of every address (routers[1].servers[0].port has it already)",
    ],
  ],
  [
    "what is experimental and not asked for",
    `namers: [{kind: io.l5d.dnssrv}]
routers:
- {protocol: thriftmux, servers: [{}]}
`,
    [
      "l.yaml:1:17: error: namers[0].kind: The /#/io.l5d.dnssrv namer is experimental and must be explicitly enabled by setting the `experimental' parameter to `true'. (add experimental: true)",
      "l.yaml:3:14: error: routers[0].protocol: The thriftmux protocol is experimental and must be explicitly enabled by setting the `experimental' parameter to `true' on each router. (add experimental: true)",
    ],
  ],
  [
    "settings that do not go together",
    routed(`  streamingEnabled: false
  streamAfterContentLengthKB: 5
  client: {tls: {enabled: true}}
  service: {retries: {backoff: {kind: jittered, minMs: 5}}}
  interpreter: {kind: io.l5d.mesh, root: /a/b, retry: {baseSeconds: 9, maxSeconds: 3}}
`),
    [
      "l.yaml:5:31: error: routers[0].streamAfterContentLengthKB: Conflicting streaming options set. Can't disable streaming and set streamAfterContentLengthKB in http (remove one of the two)",
      "l.yaml:6:17: error: routers[0].client.tls: tls is configured with validation but `commonName` is not set (write commonName, or disableValidation: true to accept any certificate)",
      "l.yaml:7:23: error: routers[0].service.retries.backoff.maxMs: 'maxMs' must be specified",
      "l.yaml:8:3: error: routers[0].interpreter.dst: `dst` is a required field",
      "l.yaml:8:42: error: routers[0].interpreter.root: io.l5d.mesh: `root` may only contain a single path element (for now): /a/b",
      "l.yaml:8:55: error: routers[0].interpreter.retry: illegal retry values: baseSeconds=9 maxSeconds=3 (both above 0, and maxSeconds not below baseSeconds)",
    ],
  ],
  [
    "prefixes and rules that match nothing",
    `namers: [{kind: io.l5d.fs, rootDir: disco}]
routers:
- protocol: http
  servers: [{port: 4140}]
  dtab: |
    /svc => /#/io.l5d.fss ;
    /svc/a => /#/io.l5d.fs | /host/a ;
    /svc/b => /$/io.buoyant.http.domainToPathPfx/legacy | /$io.buoyant.rinet/80 ;
    /legacy => /$/io.bouyant.rinet/80 ;
    /http/1.1 => /#/io.l5d.fs ;
  client:
    kind: io.l5d.static
    configs:
    - {prefix: /svc/web}
    - {prefix: /#/io.l5d.consul/dc1}
    - {prefix: "/#/io.l5d.fs/{x}", tls: {commonName: "{y}"}}
  service:
    kind: io.l5d.static
    configs: [{prefix: /#/io.l5d.fs}]
`,
    [
      "l.yaml:6:13: warning: routers[0].dtab: no namer serves /#/io.l5d.fss (did you mean /#/io.l5d.fs?)",
      "l.yaml:7:30: warning: routers[0].dtab: nothing serves /host/a: no rule begins so, and it does not begin with /# or /$",
      "l.yaml:8:59: warning: routers[0].dtab: nothing serves /$io.buoyant.rinet/80 (did you mean /$/io.buoyant.rinet/80?)",
      "l.yaml:9:16: warning: routers[0].dtab: nothing serves /$/io.bouyant.rinet (did you mean io.buoyant.rinet?)",
      "l.yaml:10:5: warning: routers[0].dtab: no name leads to the rule for /http/1.1 (names begin with /svc, and no rule makes one of these)",
      "l.yaml:14:16: warning: routers[0].client.configs[0].prefix: this prefix never matches: ids of clients begin with /#/, /$/ or /%/ (prefixes of services belong under service)",
      "l.yaml:15:16: warning: routers[0].client.configs[1].prefix: this prefix never matches: no namer has it",
      "l.yaml:16:54: warning: routers[0].client.configs[2].tls.commonName: {y} is captured by no prefix and stays as it is (did you mean {x}?)",
      "l.yaml:19:24: warning: routers[0].service.configs[0].prefix: this prefix never matches: names of services begin with /svc (prefixes of clients belong under client)",
    ],
  ],
  [
    "words of plug-ins that have words of their own for a mistake",
    `namers: [{kind: io.l5d.fs, rootDir: missing}, {kind: io.l5d.rewrite, pattern: "/{a}", name: "/x/{b}"}]
telemetry: [{kind: io.l5d.recentRequests}, {kind: io.l5d.tracelog, level: LOUD, host: x}]
routers: [{protocol: thrift, servers: [{ip: localhost}], thriftProtocol: json}]
`,
    [
      "l.yaml:1:37: error: namers[0].rootDir: missing is not a directory",
      "l.yaml:1:47: error: namers[1].prefix: The 'prefix' property is required for the io.l5d.rewrite namer.",
      "l.yaml:1:93: error: namers[1].name: {b} is not captured by pattern (did you mean {a}?)",
      "l.yaml:2:13: error: telemetry[0].sampleRate: sampleRate must be between 0.0 and 1.0",
      "l.yaml:2:75: error: telemetry[1].level: Illegal log level: LOUD (allowed: one of OFF, …",
      "l.yaml:2:81: warning: telemetry[1].host: ignored: the documentation of io.l5d.tracelog has it, it means nothing (remove it)",
      "l.yaml:3:45: error: routers[0].servers[0].ip: localhost is not allowed here: must be a numeric IP address, such as 127.0.0.1 or 0.0.0.0",
      "l.yaml:3:74: error: routers[0].thriftProtocol: unsupported thrift protocol json (allowed: binary or compact)",
    ],
  ],
  [
    "a key of another kind",
    routed(
      "  client: {failureAccrual: {kind: io.l5d.successRate, failures: 5, successRate: 0.5, requests: 1}}\n",
    ),
    [
      'l.yaml:4:55: error: routers[0].client.failureAccrual.failures: Unrecognized field "failures" (only with kind io.l5d.consecutiveFailures)',
    ],
  ],
  ["broken YAML", "routers: [\n", ["l.yaml:2:1: error: not valid YAML: …"]],
  [
    "a colon forgotten: nothing is said of what follows from that",
    "admin\n  port: 9990\nrouters:\n- protocol: http\n",
    ["l.yaml:1:1: error: not valid YAML: … (is there a colon missing after a key?)"],
  ],
  [
    "the key that chooses misspelt, and what is chosen",
    "routers:\n- protcol: http\n  servers: [{prot: 1}]\n- protocol: H2\n  servers: [{port: 70000}]\n",
    [
      'l.yaml:2:3: error: routers[0].protcol: Unrecognized field "protcol" (did you mean protocol?)',
      'l.yaml:3:14: error: routers[0].servers[0].prot: Unrecognized field "prot" (did you mean port?)',
      "l.yaml:4:13: error: routers[1].protocol: Could not resolve type id 'H2' (did you mean h2? …",
      "l.yaml:5:20: error: routers[1].servers[0].port: 70000 outside valid range for ports (allowed: 0 to 65535)",
    ],
  ],
  [
    "words cut short",
    `namers: [{kind: fs, rootdir: disco}]
routers:
- protocol: http
  servers: [{port: 1, tls: {cert: a, key: b}}]
  client: {failureAccrual: {kind: consecutiveFailures, failures: 5}}
  interpreter: {kind: namerd, dst: "localhost:4100"}
`,
    [
      "l.yaml:1:17: error: namers[0].kind: Could not resolve type id 'fs' (did you mean io.l5d.fs? …",
      'l.yaml:1:21: error: namers[0].rootdir: Unrecognized field "rootdir" (did you mean rootDir?)',
      'l.yaml:4:29: error: routers[0].servers[0].tls.cert: Unrecognized field "cert" (did you mean certPath?)',
      'l.yaml:4:38: error: routers[0].servers[0].tls.key: Unrecognized field "key" (did you mean keyPath?)',
      "l.yaml:5:35: error: routers[0].client.failureAccrual.kind: Could not resolve type id 'consecutiveFailures' (did you mean io.l5d.consecutiveFailures? …",
      "l.yaml:6:23: error: routers[0].interpreter.kind: Could not resolve type id 'namerd' (did you mean io.l5d.namerd? …",
      "l.yaml:6:37: error: routers[0].interpreter.dst: '/' expected but 'l' found at '[l]ocalhost:4100' (did you mean /$/inet/localhost/4100?)",
    ],
  ],
  [
    "rules as they are not written",
    routed("  dtab:\n  - /svc -> /a\n  - /svc => /a/\n  - /a => /$/inet/h/1 /b => /c\n"),
    [
      "l.yaml:5:10: error: routers[0].dtab[0]: '=' expected but '-' found at '/svc [-]> /a' (rules are written /prefix => /path)",
      "l.yaml:6:16: error: routers[0].dtab[1]: label char expected but end of input found at '/svc => /a/[]' (paths do not end in a slash)",
      "l.yaml:7:23: error: routers[0].dtab[2]: end of input expected but '/' found at '/a => /$/inet/h/1 [/]b => /c' (rules end in a semicolon)",
    ],
  ],
  [
    "rules that nothing serves, and what was probably meant",
    routed("  dtab: |\n    /svc => /host ;\n    /hots => /#/io.l5d.fs ;\n"),
    [
      "l.yaml:5:13: warning: routers[0].dtab: nothing serves /host: no rule begins so, and it does not begin with /# or /$ (did you mean /hots?)",
      "l.yaml:6:5: warning: routers[0].dtab: no name leads to the rule for /hots (names begin with /svc, and no rule makes one of these)",
      "l.yaml:6:14: warning: routers[0].dtab: no namer serves /#/io.l5d.fs (add a namer with kind io.l5d.fs)",
    ],
  ],
  [
    "a manifest of Kubernetes",
    "apiVersion: v1\nkind: ConfigMap\ndata: {config.yaml: 'routers: []'}\n",
    ["l.yaml:1:1: error: this is a manifest of Kubernetes (the file of a router is …"],
  ],
  [
    "a file of namerd",
    "storage: {kind: io.l5d.inMemory}\ninterfaces: [{kind: io.l5d.mesh}]\n",
    [
      'l.yaml:1:1: error: storage: Unrecognized field "storage" (of a namerd.yaml, which is no file of a router)',
      'l.yaml:2:1: error: interfaces: Unrecognized field "interfaces" (of a namerd.yaml, which is no file of a router)',
    ],
  ],
];

for (const [name, source, expected] of damaged) {
  test(`damaged: ${name}`, () => {
    const { said, config } = read(source);
    const shown = said.map((line, i) => {
      const end = expected[i]?.indexOf("…") ?? -1;
      return end < 0 ? line : `${line.slice(0, end)}…`;
    });
    assert.deepEqual(
      shown,
      expected.map((line) => line.replace(/….*$/, "…")),
    );
    assert.equal(
      config === undefined,
      said.some((line) => line.includes(": error: ")),
    );
  });
}

test("no text makes the reader throw", () => {
  const words = fc.constantFrom(
    "routers",
    "servers",
    "client",
    "kind",
    "io.l5d.fs",
    "dtab",
    "/svc => ",
    "tls",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "{",
    "}",
    "[",
    "]",
    "#",
    "|",
    '"',
    "*a",
    "&a",
    "4140",
    "?",
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 25 }).map((all) => all.join("")),
      ),
      (source) => {
        const { config, diagnostics } = readRouterConfig(source, "l.yaml", { entryKind });
        assert.equal(
          config === undefined,
          diagnostics.some((d) => d.severity === "error"),
        );
        assert.ok(diagnostics.every((d) => d.line >= 1 && d.column >= 1));
      },
    ),
    { numRuns: 500 },
  );
});
