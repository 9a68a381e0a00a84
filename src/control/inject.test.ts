// Injection as a function: what a workload becomes, why one is left alone, and that it can be taken back.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parse } from "yaml";
import { inject } from "./inject.ts";
import type { Installation } from "./injectproxy.ts";
import { jsonPatch, type Operation } from "./jsonpatch.ts";
import type { RawContainer, RawObject, Strings } from "./manifest.ts";
import { podOf } from "./manifest.ts";
import { identityOf } from "../platform/sidecar.ts";
import { settingsOf } from "./kubeprocess.ts";
import { uninject } from "./uninject.ts";
import { readValues } from "./values.ts";

const installation = (values: object = {}): Installation => ({
  values: readValues({ linkerdVersion: "v1", ...values }).values,
  namespace: "linkerd",
  trustAnchors: "ANCHORS",
});

const WEB = parse(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      initContainers: [{name: migrate, image: migrate}]
      containers:
      - name: web
        image: web
        ports: [{containerPort: 8080, name: http}, {containerPort: 3306}]
        readinessProbe: {httpGet: {path: /, port: 9000}}
        volumeMounts: [{name: token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}]
`) as RawObject;

const enabled: Strings = { "linkerd.io/inject": "enabled" };
const spec = (object: RawObject) => podOf(object)!.spec;
const names = (list: readonly RawContainer[] | undefined): string[] =>
  (list ?? []).map(({ name }) => name);
const env = (container: RawContainer): Record<string, string | undefined> =>
  Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));

test("a native sidecar stands before the init containers of the workload", () => {
  const { object, skipped } = inject(WEB, installation(), enabled);
  assert.deepEqual(skipped, []);
  assert.deepEqual(names(spec(object).initContainers), [
    "linkerd-init",
    "linkerd-proxy",
    "migrate",
  ]);
  assert.deepEqual(names(spec(object).containers), ["web"]);
  const [init, proxy] = spec(object).initContainers as [RawContainer, RawContainer];
  assert.equal(proxy["restartPolicy"], "Always");
  assert.equal(proxy.image, "linkerd-ts/proxy:v1");
  assert.deepEqual(proxy["startupProbe"], {
    httpGet: { path: "/ready", port: 4191 },
    timeoutSeconds: 1,
    periodSeconds: 1,
    failureThreshold: 120,
  });
  assert.equal(
    (init["args"] as string[]).join(" "),
    "--iptables-mode nft --ipv6=false --incoming-proxy-port 4143 --outgoing-proxy-port 4140 --proxy-uid 2102 " +
      "--inbound-ports-to-ignore 4190,4191,4567,4568 --outbound-ports-to-ignore 4567,4568",
  );
  assert.deepEqual(
    spec(object).volumes?.map(({ name }) => name),
    ["linkerd-proxy-init-xtables-lock", "linkerd-identity-end-entity", "linkerd-identity-token"],
  );
});

test("the sidecar is told of its pod, the control plane and the ports", () => {
  const { object } = inject(WEB, installation(), enabled);
  const vars = env(spec(object).initContainers![1]!);
  assert.equal(vars["LINKERD2_PROXY_INBOUND_PORTS"], "3306,8080,9000");
  assert.equal(vars["LINKERD2_PROXY_IDENTITY_TRUST_ANCHORS"], "ANCHORS");
  assert.equal(
    vars["LINKERD2_PROXY_DESTINATION_SVC_ADDR"],
    "linkerd-dst-headless.linkerd.svc.cluster.local.:8086",
  );
  assert.equal(
    vars["LINKERD2_PROXY_POLICY_SVC_NAME"],
    "linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local",
  );
  const order = Object.keys(vars);
  assert.ok(order.indexOf("_pod_sa") < order.indexOf("LINKERD2_PROXY_IDENTITY_LOCAL_NAME"));
});

test("spans are named as OpenTelemetry would, with what annotations say", () => {
  const tracing = { enabled: true, collector: { endpoint: "collector.tracing:4317" } };
  const named = (labels: object, annotations: object) => {
    const template = { ...podOf(WEB)!, metadata: { labels, annotations } };
    const pod = { apiVersion: "v1", kind: "Pod", ...template } as RawObject;
    const { object } = inject(pod, installation({ proxy: { tracing } }), enabled);
    const vars = env(spec(object).initContainers![1]!);
    return [
      vars["LINKERD2_PROXY_TRACE_SERVICE_NAME"],
      vars["LINKERD2_PROXY_TRACE_EXTRA_ATTRIBUTES"],
    ];
  };
  const labels = { "app.kubernetes.io/name": "shop", "app.kubernetes.io/instance": "shop-a" };
  const prefix = "resource.opentelemetry.io/";
  const notes = { [`${prefix}service.name`]: "till", [`${prefix}team`]: "a,b" };
  assert.equal(named({}, {})[0], "linkerd-proxy");
  assert.equal(named({ "app.kubernetes.io/name": "shop" }, {})[0], "shop");
  assert.equal(named(labels, {})[0], "shop-a");
  assert.equal(named(labels, notes)[0], "till");
  assert.match(named(labels, notes)[1]!, /,k8s.pod.name=\$\(_pod_name\),team=a%2Cb$/);
});

test("labels and annotations say whose it is, and which default ports are opaque", () => {
  const { labels, annotations } = podOf(inject(WEB, installation(), enabled).object)!.metadata!;
  assert.equal(labels?.["linkerd.io/control-plane-ns"], "linkerd");
  assert.equal(labels?.["linkerd.io/proxy-deployment"], "web");
  assert.equal(labels?.["linkerd.io/workload-ns"], "shop");
  assert.equal(annotations?.["config.linkerd.io/opaque-ports"], "3306");
  assert.equal(annotations?.["linkerd.io/proxy-version"], "v1");
  assert.match(annotations?.["linkerd.io/trust-root-sha256"] ?? "", /^[0-9a-f]{64}$/);
});

test("a classic sidecar comes first and holds up the others", () => {
  const { object } = inject(WEB, installation({ proxy: { nativeSidecar: false } }), enabled);
  assert.deepEqual(names(spec(object).initContainers), ["migrate", "linkerd-init"]);
  assert.deepEqual(names(spec(object).containers), ["linkerd-proxy", "web"]);
  assert.deepEqual(spec(object).containers[0]!["lifecycle"], {
    postStart: {
      exec: { command: ["/usr/lib/linkerd/linkerd-await", "--timeout=2m", "--port=4191"] },
    },
  });
});

test("kubectl means the application, and not a sidecar that comes first", () => {
  const classic = installation({ proxy: { nativeSidecar: false } });
  const defaultOf = (object: RawObject, values = classic): string | undefined =>
    podOf(inject(object, values, enabled).object)!.metadata?.annotations?.[
      "kubectl.kubernetes.io/default-container"
    ];
  assert.equal(defaultOf(WEB), "web");
  assert.equal(defaultOf(WEB, installation()), undefined);
  const annotations = { "kubectl.kubernetes.io/default-container": "other" };
  assert.equal(defaultOf({ kind: "Pod", metadata: { annotations }, spec: spec(WEB) }), "other");
});

test("with the CNI plugin a validator replaces the init container", () => {
  const { object } = inject(WEB, installation({ cniEnabled: true }), enabled);
  const [validator] = names(spec(object).initContainers);
  assert.equal(validator, "linkerd-network-validator");
  assert.ok(!spec(object).volumes?.some(({ name }) => name.includes("xtables")));
});

test("annotations of the workload win over the namespace's, and change values", () => {
  const pod = podOf(WEB)!;
  const annotated: RawObject = {
    kind: "Pod",
    metadata: {
      annotations: {
        "config.linkerd.io/proxy-log-level": "debug",
        "config.linkerd.io/skip-inbound-ports": "http,7000-7010",
        "config.linkerd.io/skip-outbound-ports": "+443",
        "config.linkerd.io/proxy-cpu-limit": "1500m",
        "config.linkerd.io/enable-debug-sidecar": "true",
      },
    },
    spec: pod.spec,
  };
  const { object } = inject(annotated, installation(), {
    ...enabled,
    "config.linkerd.io/proxy-log-level": "trace",
    "config.linkerd.io/admin-port": "9191",
  });
  const [init, proxy] = spec(object).initContainers as [RawContainer, RawContainer];
  const vars = env(proxy);
  assert.match(vars["LINKERD2_PROXY_LOG"]!, /^debug/);
  assert.equal(vars["LINKERD2_PROXY_ADMIN_LISTEN_ADDR"], "0.0.0.0:9191");
  assert.equal(vars["LINKERD2_PROXY_CORES"], "2");
  assert.equal(vars["LINKERD2_PROXY_CORES_MAX"], "2");
  assert.deepEqual(proxy["resources"], { limits: { cpu: "1500m" } });
  const args = init["args"] as string[];
  assert.ok(args.includes("4190,9191,8080,7000-7010"));
  assert.equal(args[args.indexOf("--outbound-ports-to-ignore") + 1], "4567,4568,443");
  assert.deepEqual(names(spec(object).containers), ["web", "linkerd-debug"]);
});

for (const [name, text, wanted] of [
  ["admin-port", "soon", /a whole number/],
  ["default-inbound-policy", "all-autenticated", /one of all-unauthenticated, /],
  ["access-log", "yes", /one of apache, json, none/],
  ["proxy-outbound-connect-timeout", "5 seconds", /a duration such as 300ms/],
] as const) {
  test(`an annotation that cannot be read is named: ${name}`, () => {
    const inherited = { ...enabled, [`config.linkerd.io/${name}`]: text };
    const refused = (error: Error): boolean =>
      error.message.includes(`config.linkerd.io/${name} is "${text}"`) &&
      wanted.test(error.message);
    assert.throws(() => inject(WEB, installation(), inherited), refused);
  });
}

test("the name that a sidecar asks for is the one that its token proves, wherever the control plane is", () => {
  const elsewhere: Installation = { ...installation(), namespace: "mesh" };
  const [, proxy] = spec(inject(WEB, elsewhere, enabled).object).initContainers!;
  const vars = env(proxy!);
  const mesh = settingsOf(elsewhere);
  assert.equal(
    vars["LINKERD2_PROXY_IDENTITY_LOCAL_NAME"],
    identityOf("$(_pod_sa)", "$(_pod_ns)", mesh),
  );
  assert.equal(
    vars["LINKERD2_PROXY_IDENTITY_SVC_NAME"],
    "linkerd-identity.mesh.serviceaccount.identity.mesh.cluster.local",
  );
});

const skips: readonly [string, object, Strings, readonly string[]][] = [
  ["no annotation", {}, {}, ["injection_enable_annotation_absent"]],
  [
    "disabled",
    { metadata: { annotations: { "linkerd.io/inject": "disabled" } } },
    enabled,
    ["injection_disable_annotation_present"],
  ],
  [
    "invalid at the pod",
    { metadata: { annotations: { "linkerd.io/inject": "yes" } } },
    enabled,
    ["invalid_inject_annotation_at_workload"],
  ],
  [
    "invalid at the namespace",
    {},
    { "linkerd.io/inject": "yes" },
    ["invalid_inject_annotation_at_ns"],
  ],
  [
    "host network",
    { spec: { hostNetwork: true, containers: [{ name: "a" }] } },
    enabled,
    ["host_network_enabled"],
  ],
  [
    "another mesh's sidecar",
    { spec: { containers: [{ name: "istio-proxy" }] } },
    enabled,
    ["sidecar_already_exists"],
  ],
];

for (const [name, more, ofNamespace, reasons] of skips) {
  test(`skips a pod: ${name}`, () => {
    const pod = { kind: "Pod", spec: { containers: [{ name: "a" }] }, ...more };
    const { object, skipped } = inject(pod, installation(), ofNamespace);
    assert.deepEqual(skipped, reasons);
    assert.equal(object, pod);
  });
}

test("a service says which of its ports are opaque", () => {
  const service = parse(
    "{kind: Service, metadata: {name: db}, spec: {ports: [{port: 3306}, {port: 80}]}}",
  ) as RawObject;
  const { object } = inject(service, installation());
  assert.equal(object.metadata?.annotations?.["config.linkerd.io/opaque-ports"], "3306");
  const inherited = inject(service, installation(), { "config.linkerd.io/opaque-ports": "80" });
  assert.equal(inherited.object.metadata?.annotations?.["config.linkerd.io/opaque-ports"], "80");
});

test("a pod of a Deployment is labelled with the Deployment", () => {
  const pod: RawObject = {
    kind: "Pod",
    metadata: {
      labels: { "pod-template-hash": "6f5d" },
      ownerReferences: [{ kind: "ReplicaSet", name: "web-6f5d" }],
    },
    spec: { containers: [{ name: "web" }] },
  };
  const { object } = inject(pod, installation(), enabled);
  assert.equal(object.metadata?.labels?.["linkerd.io/proxy-deployment"], "web");
});

test("uninjecting takes out what injecting put in", () => {
  for (const values of [{}, { cniEnabled: true }, { proxy: { nativeSidecar: false } }]) {
    assert.deepEqual(uninject(inject(WEB, installation(values), enabled).object), {
      object: WEB,
      changed: true,
    });
  }
  assert.deepEqual(uninject(WEB), { object: WEB, changed: false });
});

test("the patch of an injection turns the one object into the other", () => {
  const { object } = inject(WEB, installation(), enabled);
  const operations = jsonPatch(WEB, object);
  assert.deepEqual(operations.reduce(apply, structuredClone(WEB) as never), object);
  // Two init containers are added before the workload's own; that one is left alone.
  const lists = operations.filter(({ path }) => path.includes("/initContainers"));
  assert.deepEqual(
    lists.map(({ op, path }) => `${op} ${path}`),
    ["add /spec/template/spec/initContainers/0", "add /spec/template/spec/initContainers/1"],
  );
});

function apply(document: never, { op, path, value }: Operation): never {
  const keys = path
    .split("/")
    .slice(1)
    .map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
  const last = keys.pop()!;
  const at = keys.reduce<any>((each, key) => each[key], document);
  if (op === "remove") delete at[last];
  else if (Array.isArray(at) && op === "add") at.splice(Number(last), 0, value);
  else at[last] = value;
  return document;
}
