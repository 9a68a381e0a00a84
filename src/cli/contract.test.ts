// Every flag of Linkerd's commands is taken by ours: nobody's script ends at a word that it has always said.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Command } from "./command.ts";
import { parse } from "./parse.ts";
import { root } from "./root.ts";

const CHART = "--set a=b --set-string a=b --set-file a=f -f v.yaml --values v.yaml -o json";
const PROXY =
  "--admin-port 1 --control-port 1 --inbound-port 1 --outbound-port 1 --default-inbound-policy deny " +
  "--enable-external-profiles --image-pull-policy Always --proxy-cpu-request 1 --proxy-cpu-limit 1 " +
  "--proxy-memory-request 1 --proxy-memory-limit 1 --proxy-memory 1 --proxy-cpu 1 --proxy-uid 1 --proxy-gid 1 " +
  "--proxy-image x --proxy-log-level x --registry x --skip-inbound-ports 1 --skip-outbound-ports 1 --proxy-version x";
const CONTROL =
  `${CHART} ${PROXY} --crds --ha --linkerd-cni-enabled --controller-log-level x --controller-replicas 1 ` +
  "--controller-uid 1 --controller-gid 1 --disable-h2-upgrade --disable-heartbeat --enable-endpoint-slices " +
  "--identity-issuance-lifetime 1h --identity-clock-skew-allowance 1s --identity-issuer-certificate-file f " +
  "--identity-issuer-key-file f --identity-trust-anchors-file f --control-plane-version x";
const TAP =
  "-n x -l a=b --to po/x --to-namespace x --max-rps 1 --scheme x --method x --authority x --path x";

const LINES = [
  "-L x --linkerd-namespace x --cni-namespace x --kubeconfig f --context x --as x --as-group x --api-addr h:1 --verbose version",
  "authz deploy/web -n x",
  "check --pre --linkerd-cni-enabled -n x --expected-version x --cli-version-override x -o short --wait 1m",
  "check --crds --proxy",
  "completion zsh",
  "diagnostics controller-metrics -w 1s --wait 1s",
  "dg cp-metrics",
  "dg endpoints x:80 -o json --destination-pod x --token x",
  "dg ep x:80",
  "dg profile x:80 --destination-pod x --token x",
  "dg policy po/x 80 -n x -o json --destination-pod x --token x",
  "dg proxy-metrics po/x -n x --obfuscate",
  "identity web-1 -n x -l a=b",
  `inject - ${PROXY} --manual --ignore-cluster --enable-debug-sidecar --close-wait-timeout 1s -o json --ingress ` +
    "--native-sidecar true --wait-before-exit-seconds 1 --require-identity-on-inbound-ports 1 --opaque-ports 1",
  `install ${CONTROL} --ignore-cluster --cluster-domain x --identity-trust-domain x --identity-external-issuer --identity-external-ca`,
  `upgrade ${CONTROL} --from-manifests f --force`,
  `install-cni ${CHART} --cni-image x --cni-image-version x --cni-log-level x --dest-cni-net-dir x --dest-cni-bin-dir x ` +
    "--redirect-ports 1 --priority-class-name x --use-wait-flag -v x --linkerd-version x --proxy-uid 1 --inbound-port 1",
  "profile web --template --open-api f --proto f -n x --ignore-cluster -o json",
  "prune -o json",
  "uninject - ",
  "uninstall -f --force -o json",
  "version --client --short --proxy -n x",
  "viz --viz-namespace x list -A -n x",
  "viz allow-scrapes -n x -o json",
  "viz authz po -n x -l a=b -o wide -t 1m",
  "viz check --proxy -n x -o json --wait 1m",
  "viz dashboard --address x -p 1 --port 1 --show url --wait 1m",
  "viz edges po -A -n x -o wide",
  `viz install ${CHART} --ha --skip-checks --ignore-cluster --wait 1m`,
  "viz profile web --tap po/x -n x --tap-duration 1s --tap-route-limit 1 -o json",
  `viz prune ${CHART} --ha --wait 1m`,
  "viz routes po/x -n x -l a=b -t 1m --to po/x --to-namespace x -o wide",
  "viz stat po -A -n x -l a=b -t 1m --to po/x --to-namespace x --from po/x --from-namespace x --unmeshed -o wide",
  "viz stat-inbound po -n x -t 1m -o json --prometheusURL u",
  "viz stat-outbound po -n x -t 1m -o json --prometheusURL u",
  `viz tap po/x ${TAP} -o wide`,
  `viz top po/x ${TAP} --hide-sources --routes`,
  "viz uninstall -o json",
  "dashboard",
  "edges po",
  "routes po",
  "stat po",
  "tap po",
  "top po",
];

for (const line of LINES)
  test(line.slice(0, 40), () => {
    const { command } = parse(root, line.split(" ").filter(Boolean));
    assert.ok(command.run, line);
  });

test("usage lines name their flags once", () => {
  const all = (at: Command): Command[] => [at, ...at.commands.flatMap(all)];
  for (const { name, usage } of all(root)) assert.doesNotMatch(usage, /\[flags\]/, name);
});
