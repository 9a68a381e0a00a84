// The CNI plugin as a container runtime calls it, with a node of which only the answers count; and the configuration
// of networks, as other plugins write it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { answerCni, type CniNode } from "./cni.ts";
import { activeConfig, chained, unchained } from "./cniconf.ts";
import type { RedirectOptions } from "./iptables.ts";
import { redirectionOf } from "./injectinit.ts";
import type { RawObject } from "./manifest.ts";
import { readValues } from "./values.ts";

const prevResult = { cniVersion: "0.4.0", ips: [{ address: "10.0.0.5/16" }] };
const input = JSON.stringify({ cniVersion: "0.4.0", prevResult, linkerd: { disableIPv6: true } });
const ADD = {
  CNI_COMMAND: "ADD",
  CNI_ARGS: "IgnoreUnknown=1;K8S_POD_NAMESPACE=app;K8S_POD_NAME=web-1",
};

const pod = (containers: string[], annotations = {}, initContainers: string[] = []): RawObject => ({
  metadata: { name: "web-1", namespace: "app", annotations },
  spec: {
    containers: containers.map((name) => ({ name })),
    initContainers: initContainers.map((name) => ({ name })),
  },
});

async function add(made: RawObject | Error) {
  const set: RedirectOptions[] = [];
  const node: CniNode = {
    fetchPod: async (namespace, name) => {
      assert.equal(`${namespace}/${name}`, "app/web-1");
      if (made instanceof Error) throw made;
      return made;
    },
    redirect: async (options) => void set.push(options),
  };
  return { ...(await answerCni(input, ADD, node)), set };
}

test("a pod with a sidecar is redirected, as an init container would", async () => {
  const { answer, code, set } = await add(pod(["app"], {}, ["linkerd-proxy"]));
  assert.deepEqual([answer, code], [prevResult, 0]);
  assert.deepEqual(set, [redirectionOf(readValues({}).values)]);
});

test("annotations of the pod count", async () => {
  const { set } = await add(
    pod(["app", "linkerd-proxy"], {
      "config.linkerd.io/skip-inbound-ports": "25,8000-8010",
      "config.linkerd.io/skip-outbound-ports": "3306",
      "config.linkerd.io/skip-subnets": "10.1.0.0/16",
      "config.linkerd.io/proxy-uid": "77",
      "config.linkerd.io/inbound-port": "5143",
    }),
  );
  assert.deepEqual(set, [
    {
      inboundProxyPort: 5143,
      outboundProxyPort: 4140,
      proxyUid: 77,
      proxyGid: -1,
      portsToRedirect: [],
      inboundPortsToIgnore: ["4190", "4191", "25", "8000-8010"],
      outboundPortsToIgnore: ["3306"],
      subnetsToIgnore: ["10.1.0.0/16"],
    },
  ]);
});

test("pods without a sidecar, and those that redirect themselves, pass", async () => {
  for (const made of [pod(["app"]), pod(["app", "linkerd-proxy"], {}, ["linkerd-init"])]) {
    const { answer, code, set } = await add(made);
    assert.deepEqual([answer, code, set], [prevResult, 0, []]);
  }
});

test("a pod that cannot be looked up gets no network yet", async () => {
  const { answer, code } = await add(new Error("the API server is away"));
  assert.deepEqual(answer, { cniVersion: "0.4.0", code: 100, msg: "the API server is away" });
  assert.equal(code, 1);
});

test("other commands change nothing", async () => {
  const refuse = async (): Promise<never> => assert.fail();
  const node: CniNode = { fetchPod: refuse, redirect: refuse };
  assert.equal((await answerCni(input, { CNI_COMMAND: "DEL" }, node)).code, 0);
  assert.equal((await answerCni(input, { CNI_COMMAND: "CHECK" }, node)).code, 0);
  const { answer } = await answerCni("", { CNI_COMMAND: "VERSION" }, node);
  assert.ok((answer as { supportedVersions: string[] }).supportedVersions.includes("1.0.0"));
  for (const input of ["{", "null", "[]", "1"]) {
    const { answer: refused, code } = await answerCni(input, ADD, node);
    assert.deepEqual([(refused as { code: number }).code, code], [6, 1]);
  }
});

test("the configuration that counts is the first by name", () => {
  assert.equal(
    activeConfig(["20-x.conflist", "10-y.conf", "00-z.txt", "05-q.conf.linkerd-saved"]),
    "10-y.conf",
  );
  assert.equal(activeConfig(["README"]), undefined);
});

test("the plugin comes last, once, and goes without a trace", () => {
  const bridge = { type: "bridge", ipam: { type: "host-local" } };
  const list = { cniVersion: "0.4.0", name: "net", plugins: [bridge] };
  const after = JSON.parse(chained(JSON.stringify(list), { linkerd: { a: 1 } })) as typeof list;
  assert.deepEqual(after, {
    ...list,
    plugins: [bridge, { linkerd: { a: 1 }, type: "linkerd-cni" }],
  });
  const again = chained(JSON.stringify({ ...after, plugins: after.plugins.toReversed() }), {
    linkerd: { a: 2 },
  });
  assert.deepEqual((JSON.parse(again) as typeof list).plugins, [
    bridge,
    { linkerd: { a: 2 }, type: "linkerd-cni" },
  ]);
  assert.deepEqual(JSON.parse(unchained(again)), list);
});

test("a single plugin becomes a chain; what is no configuration is refused", () => {
  const single = { cniVersion: "1.0.0", name: "net", type: "ptp", mtu: 1400 };
  assert.deepEqual(JSON.parse(chained(JSON.stringify(single), {})), {
    cniVersion: "1.0.0",
    name: "net",
    plugins: [{ type: "ptp", mtu: 1400 }, { type: "linkerd-cni" }],
  });
  assert.throws(() => chained("{", {}), /it is no JSON/);
  for (const text of ["{}", "null", "[]", '"x"', '{"plugins":[null]}', '{"plugins":{},"type":"x"}'])
    assert.throws(() => chained(text, {}), /neither a list of plugins nor the type of one/);
});
