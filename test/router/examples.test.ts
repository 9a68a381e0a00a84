// The examples as their readers run them: the commands in the head of each file, in a shell, and what they show. Ports and
// paths of /tmp are replaced, so that nothing else on the machine is met; what needs other programs or the internet is
// left out, and each line that is left out is named here.
// Needs: curl, openssl.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { once } from "node:events";
import { test, type TestContext } from "node:test";
import { Linkerd } from "../../src/router/linkerd.ts";
import { printDiagnostic } from "../../src/router/yamlsource.ts";
import { eventually, freePort } from "./run.ts";

const HOME = join(import.meta.dirname, "../..");

/** What the commands of each example print, piece by piece. */
const SHOWS: Readonly<Record<string, readonly RegExp[]>> = {
  "admin.yaml": [/pong/, /HTTP\/1.1 404/, /"http":\{"path":"\/svc\/web"/],
  "alternatives.yaml": [/"name": "web"/, /"name": "rest"/, /2\. binding: bound/],
  "canary.yaml": [/("name": "v[12]",\s+){20}"name": "v2",\s*$/],
  "connections.yaml": [/200\n/, /503\n/],
  "detect.yaml": [/("name": "web",\s+){2}/],
  "dnssrv.yaml": [/HTTP\/1.1 502/, /Unable to route request!/],
  "edge.yaml": [/HTTP\/1.1 200/, /"forwarded": "by=_edge;for=/, /"x-request-start"/],
  "failure-accrual.yaml": [/200/, /"state":"broken"/],
  "fs.yaml": [/"name": "one"/, /"name": "two"/, /what was tried:/],
  "h2.yaml": [],
  "http.yaml": [/via: 1\.1 linkerd/i, /"rt\/http\/server\/127\.0\.0\.1\/\d+\/requests": 1/],
  "ingress.yaml": [/the Ingress resources are not known yet/],
  "live-dtab.yaml": [/"name": "v1"/],
  "load-balancers.yaml": [/("name": ".*",\s+){5}/, /"balancer":"aperture"/],
  "opentelemetry.yaml": [/"traceparent": "00-/, /otlp\/sent/],
  "path.yaml": [/"url": "\/hello"/, /"url": "\/as-it-is"/],
  "per-service.yaml": [/HTTP\/1.1 200/, /HTTP\/1.1 503/],
  "plugins.yaml": [/HTTP\/1.1 401/, /"name": "one"/],
  "proxy.yaml": [/"url": "\/hello"/],
  "retries.yaml": [/HTTP\/1.1 500/, /retries\/total": 2/],
  "rewrite.yaml": [/"l5d-dst-client": "\/#\/io.l5d.fs\/prod\/web"/, /2\. binding: bound/],
  "state.yaml": [
    /"name": "web"/,
    /"what":"host localhost","state":"ok"/,
    /"host localhost":\{"at":/,
  ],
  "statsd.yaml": [/"name": "web"/, /mesh\.rt\.http\.service\.svc\.web\.requests:1\|c/],
  "tcp.yaml": [],
  "telemetry.yaml": [/rt:server:requests\{rt="http"/, /\/svc\/web/],
  "timeouts.yaml": [/HTTP\/1.1 200/, /HTTP\/1.1 503[^]*exceeded 1\.seconds/],
  "tls.yaml": [/HTTP\/2 502/, /Unable to establish connection/],
  "tracing.yaml": [/"traceparent": "00-/],
};

/** Lines that need more than this machine has. */
const ELSEWHERE = /\bdocker |\bgrpcurl |\bkubectl |\bredis-|\bopen http|https:\/\/example\.com/;

/** The commands of an example, one a line, those that go on put together. */
function commandsOf(yaml: string): string[] {
  const head = yaml.slice(0, yaml.search(/^[^#]/m));
  return head
    .split("\n")
    .filter((line) => line.startsWith("#   "))
    .map((line) => line.slice(4))
    .join("\n")
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .filter((line) => !ELSEWHERE.test(line));
}

// Waits in the shell until somebody listens on a port.
const AWAIT = `await_port() {
  for i in $(seq 200); do (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && break; sleep 0.05; done
}`;

/** What the script says where a router is to be started, which is done in this process: that takes less than another. */
const START = "@start";

/** The script of an example; it waits for its backends, and for the router. */
function scriptOf(commands: readonly string[]): string {
  const lines = commands.map((line) => {
    const [, env] = ROUTER.exec(line) ?? [];
    if (env !== undefined) return `echo "${START} ${env}"; read -r started`;
    const backends = Array.from(line.matchAll(/backend\.ts (\d+)/g), ([, port]) => port);
    return [line, ...backends.map((port) => `await_port ${port}`)].join("\n");
  });
  const linkerd = `linkerd() { "${process.execPath}" "${HOME}/src/main.ts" "$@"; }`;
  const node = `node() { "${process.execPath}" "$@"; }`;
  return [AWAIT, linkerd, node, ...lines].join("\n");
}

const ROUTER = /^((?:\w+=\S+ )*)linkerd \S+\.yaml &$/;

/** A copy of the examples whose ports and paths are this test's own. */
async function copied(t: TestContext): Promise<{ folder: string; port: (port: string) => string }> {
  const folder = mkdtempSync(join(tmpdir(), "example-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const to = join(folder, "examples/router");
  cpSync(join(HOME, "examples/router"), to, { recursive: true });
  const ports = new Map<string, string>();
  const files = globSync("**/*", { cwd: to }).filter((file) =>
    /\.(yaml|dtab)$|disco\/./.test(file),
  );
  for (const file of files) {
    const path = join(to, file);
    const source = readFileSync(path, { encoding: "utf8", flag: "r" });
    for (const [port] of source.matchAll(PORTS)) {
      if (!ports.has(port)) ports.set(port, String(await freePort()));
    }
    const own = source
      .replaceAll(PORTS, (port) => ports.get(port)!)
      .replaceAll("/tmp/", `${folder}/`)
      .replaceAll("/dev/stdout", `${folder}/access.log`);
    writeFileSync(path, own);
  }
  return { folder, port: (port) => ports.get(port)! };
}

const PORTS = /\b(?:4140|4142|4317|6379|6380|8001|8125|8443|900[1-3]|999[0-2]|9411)\b/g;

test("each example is shown", () => {
  const files = globSync("examples/router/*.yaml", { cwd: HOME }).map((file) => basename(file));
  assert.deepEqual(files.sort(), Object.keys(SHOWS).sort());
  const readme = readFileSync(join(HOME, "examples/router/README.md"), "utf8");
  assert.deepEqual(
    files.filter((file) => !readme.includes(`\`${file}\``)),
    [],
    "all are in the README",
  );
});

for (const [file, shown] of Object.entries(SHOWS)) {
  test(file, { timeout: 60_000 }, async (t) => {
    const { folder, port } = await copied(t);
    const path = join(folder, "examples/router", file);
    let yaml = readFileSync(path, "utf8");
    if (!/^admin:/m.test(yaml)) yaml += `admin: {port: ${port("9990")}}\n`;
    const before = process.cwd();
    process.chdir(folder);
    t.after(() => process.chdir(before));
    const start = async (env: string): Promise<void> => {
      for (const [, name, value] of env.matchAll(/(\w+)=(\S+)/g)) process.env[name!] = value!;
      const read = () => Promise.resolve(yaml);
      const linkerd = await Linkerd.start({ file: path, read, env: process.env });
      t.after(() => linkerd.stop(0));
      const remarks = linkerd.generation.diagnostics.map(printDiagnostic);
      assert.deepEqual(remarks, [], "linkerd check has nothing to say");
    };
    const script = scriptOf(commandsOf(yaml));
    const child = spawn("bash", ["-c", script], { cwd: folder, detached: true, stdio: "pipe" });
    t.after(() => {
      try {
        process.kill(-child.pid!, "SIGKILL");
      } catch {
        // Nothing of it runs any more.
      }
    });
    let output = "";
    let failure: unknown;
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const [said, env] = /@start(.*)\n/.exec(output) ?? [];
      if (said === undefined) return;
      output = output.replace(said, "");
      void start(env!)
        .catch((error: unknown) => (failure = error))
        .finally(() => child.stdin.write("\n"));
    });
    const [code] = (await once(child, "exit")) as [number | null];
    if (failure !== undefined) throw failure as Error;
    await eventually(() => shown.every((piece) => piece.test(output))).catch(() => {});
    for (const piece of shown) assert.match(output, piece);
    assert.equal(code, 0, output);
  });
}
