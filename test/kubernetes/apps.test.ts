// Applications other than the demo work in the mesh: pods with names of their own, a server that speaks first, jobs that
// end. And what the node carries between them cannot be read. LINKERD_NODE is a command that runs its words in the
// node's network; without it that last test is skipped.
// Needs: KUBECONFIG, kubectl.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { eventually, kubectl } from "./cluster.ts";
import { installMesh } from "./mesh.ts";
import { apply, makeNamespace, rolledOut, within } from "./programs.ts";

const NS = "apps";
const NODE = process.env["LINKERD_NODE"]?.split(" ") ?? [];

before(async () => {
  await installMesh();
  await makeNamespace(NS, "linkerd.io/inject=enabled");
  await apply(NS, "apps.yaml");
  await rolledOut(NS, "statefulset/store", "deploy/ledger", "deploy/client", "deploy/stranger");
});
after(() => kubectl(`delete namespace ${NS} --ignore-not-found`));

/** What is answered, or why nothing is. */
const ANSWER = `async function answer(url) {
  const rsp = await fetch(url);
  return rsp.ok ? await rsp.text() : rsp.status + " " + rsp.headers.get("l5d-proxy-error") + "\\n";
}`;

test("all but the stranger are meshed", async () => {
  const template =
    "{range .items[*]}{.metadata.labels.app} {.metadata.labels.linkerd\\.io/control-plane-ns}{'\\n'}{end}";
  const lines = (await kubectl(["get", "pods", "-n", NS, "-o", `jsonpath=${template}`])).split(
    "\n",
  );
  assert.deepEqual([...new Set(lines.filter(Boolean))].sort(), [
    "client linkerd",
    "ledger linkerd",
    "store linkerd",
    "stranger ",
  ]);
});

test("the name of a StatefulSet's pod leads to that pod, encrypted", async () => {
  const names = ["store-0", "store-1", "store-2"];
  const script = `${ANSWER}
    for (const name of ${JSON.stringify(names)})
      process.stdout.write(await answer(\`http://\${name}.store:8080/\`));`;
  assert.equal(await within(NS, "deploy/client", script), `${names.join("\n")}\n`);
  for (const name of names) {
    const metrics = await kubectl(
      `get --raw /api/v1/namespaces/${NS}/pods/${name}:4191/proxy/metrics`,
    );
    assert.match(
      metrics,
      /^request_total\{direction="inbound",.*client_id="default\.apps\./m,
      name,
    );
  }
});

test("the addresses of a headless service lead to all of its pods", async () => {
  const script = `
    import { resolve4 } from "node:dns/promises";
    ${ANSWER}
    for (const ip of await resolve4("store.${NS}.svc.cluster.local"))
      process.stdout.write(await answer(\`http://\${ip}:8080/\`));`;
  const seen = (await within(NS, "deploy/client", script)).trim().split("\n");
  assert.deepEqual(seen.sort(), ["store-0", "store-1", "store-2"]);
});

const talk = (port: number): string => `
  import { connect } from "node:net";
  import { once } from "node:events";
  const socket = connect(${port}, "ledger");
  const started = performance.now();
  const [greeting] = await once(socket, "data");
  const ms = Math.round(performance.now() - started);
  socket.write("entry\\n");
  const [answer] = await once(socket, "data");
  console.log(JSON.stringify({ ms, greeting: greeting.toString("latin1", 5), answer: String(answer) }));
  socket.destroy();`;

for (const port of [3306, 7306])
  test(`a server that speaks first does so at once on opaque port ${port}`, async (t) => {
    const { ms, greeting, answer } = JSON.parse(await within(NS, "deploy/client", talk(port))) as {
      ms: number;
      greeting: string;
      answer: string;
    };
    t.diagnostic(`the greeting came after ${ms} ms`);
    assert.equal(greeting, "5.7.0-ledger\0");
    assert.equal(answer, "noted entry\n");
    // Detection would wait ten seconds for words of the client.
    assert.ok(ms < 5000, `${ms} ms`);
  });

test("jobs end when their work is done, with either kind of sidecar", async () => {
  await apply(NS, "jobs.yaml");
  for (const name of ["native", "classic"]) {
    await kubectl(`wait -n ${NS} --for=condition=complete job/${name} --timeout=60s`);
    const said = await kubectl(`logs -n ${NS} job/${name} -c job`);
    assert.equal(said, "noted one\nnoted two\nnoted three\n");
  }
  const template = "{range .items[*]}{.metadata.name} {.spec.initContainers[*].name}{'\\n'}{end}";
  const pods = await kubectl([
    "get",
    "pods",
    "-n",
    NS,
    "-l",
    "job-name",
    "-o",
    `jsonpath=${template}`,
  ]);
  assert.match(pods, /^native\S* linkerd-init linkerd-proxy$/m);
  assert.match(pods, /^classic\S* linkerd-init$/m);
});

test(
  "nothing that meshed pods say can be read on the node",
  { skip: NODE.length === 0 && "LINKERD_NODE names no way into the node" },
  async (t) => {
    const [program = "", ...words] = NODE;
    const tcpdump = ["timeout", "60", "tcpdump", "-i", "any", "-U", "-s", "0", "-w", "-"];
    const capture = spawn(program, [...words, ...tcpdump]);
    // It may be in a process namespace of the node, where signals to whom we started do not reach it; a closed pipe does.
    t.after(() => {
      capture.stdout.destroy();
      capture.stderr.destroy();
      capture.kill();
    });
    const seen: Buffer[] = [];
    capture.stdout.on("data", (chunk: Buffer) => void seen.push(chunk));
    await once(capture.stderr, "data");
    const has = (text: string): boolean => Buffer.concat(seen).includes(text);
    const ask = (secret: string): string =>
      `await (await fetch("http://store:8080/", { method: "POST", body: "${secret}" })).text()`;
    const tell = (secret: string): string => `
      import { connect } from "node:net";
      import { once } from "node:events";
      const socket = connect(3306, "ledger");
      await once(socket, "data");
      socket.end("${secret}\\n");
      await once(socket, "data");`;
    await within(NS, "deploy/client", ask("meshed-http-secret"));
    await within(NS, "deploy/client", tell("meshed-tcp-secret"));
    // What strangers say comes last: once it is seen, all that came before has been.
    await within(NS, "deploy/stranger", ask("plain-http-secret"));
    await within(NS, "deploy/stranger", tell("plain-tcp-secret"));
    await eventually("the stranger's words in the capture", async () =>
      has("plain-http-secret") && has("plain-tcp-secret") ? true : undefined,
    );
    assert.ok(!has("meshed-http-secret"), "HTTP between meshed pods is encrypted");
    assert.ok(!has("meshed-tcp-secret"), "TCP between meshed pods is encrypted");
  },
);
