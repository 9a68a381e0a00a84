// The verb `linkerd viz allow-scrapes`: policies that let viz and its Prometheus read the metrics of proxies in a namespace
// whose default lets in nobody, on standard output, for kubectl. Probes of kubelets must be let in beside, for a Server
// of its own takes the admin port out of the defaults.

import { Fault } from "../base/fault.ts";
import { CHART_FLAGS } from "./chartflags.ts";
import { command } from "./command.ts";
import { printObjects } from "./manifestfiles.ts";
import { namespace } from "./vizflags.ts";
import { NAMESPACE } from "./vizinstall.ts";

export const allowScrapes = command({
  name: "allow-scrapes",
  summary: "Print policies that let viz scrape proxies which let in nobody",
  details: `For namespaces whose inbound policy is deny. Viz and its Prometheus come with the identities of their service
accounts; a Prometheus of your own needs its own among the identityRefs of viz-scrapes.`,
  examples: [["In a namespace", "viz allow-scrapes -n test | kubectl apply -f -"]],
  flags: {
    namespace: { ...namespace, help: "Namespace of the proxies" },
    output: CHART_FLAGS.output,
  },
  run: async ({ flags, globals, terminal }) => {
    if (flags.namespace === undefined)
      throw new Fault("bad-input", "name the namespace of the proxies: --namespace NAME");
    const objects = policies(flags.namespace, globals.vizNamespace ?? NAMESPACE);
    terminal.print(printObjects(objects, flags.output));
  },
});

const group = "policy.linkerd.io";

function policies(namespace: string, viz: string): object[] {
  const policy = (version: string, kind: string, name: string, spec: object): object => ({
    apiVersion: `${group}/${version}`,
    kind,
    metadata: { name, namespace, labels: { "linkerd.io/extension": "viz" } },
    spec,
  });
  const proxies = [{ key: "linkerd.io/control-plane-ns", operator: "Exists" }];
  const server = {
    podSelector: { matchExpressions: proxies },
    port: "linkerd-admin",
    proxyProtocol: "HTTP/1",
  };
  const route = (name: string, ...paths: string[]): object =>
    policy("v1beta3", "HTTPRoute", name, {
      parentRefs: [{ group, kind: "Server", name: "proxy-admin" }],
      rules: [{ matches: paths.map((value) => ({ path: { type: "Exact", value } })) }],
    });
  const allow = (name: string, route: string, kind: string, who: string): object =>
    policy("v1alpha1", "AuthorizationPolicy", name, {
      targetRef: { group, kind: "HTTPRoute", name: route },
      requiredAuthenticationRefs: [{ group, kind, name: who }],
    });
  const accounts = ["prometheus", "tap"].map((name) => ({
    kind: "ServiceAccount",
    name,
    namespace: viz,
  }));
  const anywhere = ["0.0.0.0/0", "::/0"].map((cidr) => ({ cidr }));
  return [
    policy("v1beta3", "Server", "proxy-admin", server),
    route("proxy-metrics", "/metrics"),
    route("proxy-probes", "/live", "/ready"),
    policy("v1alpha1", "MeshTLSAuthentication", "viz-scrapes", { identityRefs: accounts }),
    policy("v1alpha1", "NetworkAuthentication", "kubelet", { networks: anywhere }),
    allow("prometheus-scrape", "proxy-metrics", "MeshTLSAuthentication", "viz-scrapes"),
    allow("proxy-probes", "proxy-probes", "NetworkAuthentication", "kubelet"),
  ];
}
