// Kubeconfigs as files: several of them are one, as for kubectl.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, test } from "node:test";
import { stringify } from "yaml";
import { findKubeconfig, readKubeconfig } from "./kubeconfig.ts";

const dir = mkdtempSync(join(tmpdir(), "kubeconfig-"));
after(() => rmSync(dir, { recursive: true }));

/** A file with a cluster, a user and a context of one name. */
function file(path: string, name: string, user: object, current?: string): string {
  const config = {
    ...(current && { "current-context": current }),
    clusters: [
      { name, cluster: { server: `https://${name}/`, "certificate-authority": "ca.crt" } },
    ],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name, namespace: `ns-${name}` } }],
  };
  mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, path, "ca.crt"), `authority of ${path}`);
  writeFileSync(join(dir, path, "config"), stringify(config));
  return join(dir, path, "config");
}

const plugin = `console.log(JSON.stringify({ status: { token: JSON.parse(process.env.KUBERNETES_EXEC_INFO).apiVersion + process.env.MORE } }))`;
const exec = {
  apiVersion: "v1",
  command: process.execPath,
  args: ["-e", plugin],
  env: [{ name: "MORE", value: "!" }],
};
const one = file("a", "one", { token: "first" });
const two = file("b", "two", { exec }, "two");
const again = file("c", "one", { token: "second" }, "one");

test("the first current context, and what its name leads to in whichever file", async () => {
  const access = readKubeconfig([one, two, again], {}, {});
  assert.equal(access.server, "https://two");
  assert.equal(access.ca, "authority of b");
  assert.equal(access.namespace, "ns-two");
  assert.equal(await access.authorization(), "Bearer v1!");
  const { server, ca, authorization } = readKubeconfig([two, one, again], { context: "one" }, {});
  assert.deepEqual(
    [server, ca, await authorization()],
    ["https://one", "authority of a", "Bearer first"],
  );
});

test("what is not there is named", async () => {
  assert.throws(
    () => readKubeconfig([one, two], { context: "three" }, {}),
    /a\/config, .*b\/config has no context "three"; it has: one, two/,
  );
  assert.throws(() => readKubeconfig([one], {}, {}), /has no context ""; it has: one/);
  writeFileSync(join(dir, "broken"), "a: [");
  assert.throws(() => readKubeconfig([join(dir, "broken")], {}, {}), /broken is no kubeconfig: /);
  const failing = file("d", "failing", { exec: { command: join(dir, "nothing") } }, "failing");
  await assert.rejects(readKubeconfig([failing], {}, {}).authorization(), /nothing, .* failed/);
});

test("whoever names files means no other", () => {
  const listed = (...paths: string[]) => findKubeconfig({}, { KUBECONFIG: paths.join(delimiter) });
  assert.deepEqual(listed(one, join(dir, "gone"), two), [one, two]);
  assert.deepEqual(listed(join(dir, "gone")), [join(dir, "gone")]);
  assert.deepEqual(findKubeconfig({ kubeconfig: two }, { KUBECONFIG: one }), [two]);
});
