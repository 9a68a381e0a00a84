// `linkerd cni install`: keeps the CNI plugin on a node while its pod lives. It copies the plugin's root, gives it
// access to the API server, and puts it into the network's configuration again whenever somebody has written that
// anew. When the installation is deleted, and not merely replaced, it takes all of that away.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { Scope } from "../base/scope.ts";
import { type Close, combine, type Watch } from "../base/watch.ts";
import { watchFile, watchFolder } from "../name/file.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { inCluster } from "../platform/kubeconfig.ts";
import { KUBECONFIG } from "./cni.ts";
import { activeConfig, chained, type CniPlugin, PLUGIN, unchained } from "./cniconf.ts";
import { asNodeSees, fillRoot, pruneRoots, replaceFile, rootOf, wrapperOf } from "./cniroot.ts";
import type { Env } from "../proxy/env.ts";
import { serveAdmin } from "./adminport.ts";
import { untilStopped } from "./kubeprocess.ts";

const ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Where the node's folders are mounted. */
const MOUNTED = { bin: "/host/cni-bin", net: "/host/cni-net" };
/** The key of the mounted ConfigMap that says what goes into the network's configuration. */
const CONFIG = "/etc/linkerd-cni/cni_network_config";
const SAVED = ".linkerd-saved";
/** On loopback: the pod has the node's network, and only its kubelet asks. */
const ADMIN = { ip: "127.0.0.1", port: 9991 };
const clock = systemClock;
const logger = log.logger("cni");

/** Runs until SIGTERM; resolves to the exit code. */
export async function runCniInstall(env: Env): Promise<number> {
  const code = await untilStopped(env, (scope) => keepInstalled(env, scope));
  if (await isDeleted(env)) remove(MOUNTED.bin, MOUNTED.net);
  return code;
}

async function keepInstalled(env: Env, scope: Scope): Promise<void> {
  const image = { app: join(import.meta.dirname, "../.."), node: process.execPath };
  const root = rootOf(MOUNTED.bin, image);
  mkdirSync(join(MOUNTED.bin, `${PLUGIN}.d`), { recursive: true });
  fillRoot(root, image);
  scope.defer(keepAccess(root, env));
  await firstAccess(root);
  const seen = asNodeSees(root, MOUNTED.bin, needed(env, "CNI_BIN_DIR"));
  replaceFile(join(MOUNTED.bin, PLUGIN), wrapperOf(seen), 0o755);
  pruneRoots(root);
  logger.info("installed the plugin", { root: seen });
  const plugin = watchFile(CONFIG, clock).map((text) => JSON.parse(text ?? "") as CniPlugin);
  let isChained = false;
  scope.defer(keepConfig(MOUNTED.net, plugin, (is) => (isChained = is)));
  scope.defer(
    await serveAdmin(ADMIN, { registry: new Registry(clock), clock, ready: () => isChained }),
  );
}

function needed(env: Env, name: string): string {
  const value = env[name];
  if (value !== undefined) return value;
  throw new Fault("bad-input", `the variable ${name} is not set`);
}

// The kubelet replaces the token long before it ends.
function keepAccess(root: string, env: Env): Close {
  const { server } = inCluster(env);
  const files = ["ca.crt", "token"].map((name) => watchFile(join(ACCOUNT_DIR, name), clock));
  return combine(files).each(([ca = "", token = ""]) => {
    const cluster = { server, "certificate-authority-data": Buffer.from(ca).toString("base64") };
    const config = {
      apiVersion: "v1",
      kind: "Config",
      "current-context": PLUGIN,
      clusters: [{ name: PLUGIN, cluster }],
      users: [{ name: PLUGIN, user: { token: token.trim() } }],
      contexts: [{ name: PLUGIN, context: { cluster: PLUGIN, user: PLUGIN } }],
    };
    replaceFile(join(root, KUBECONFIG), JSON.stringify(config), 0o600);
  });
}

async function firstAccess(root: string): Promise<void> {
  await watchFile(join(root, KUBECONFIG), clock).next((text) => text !== undefined);
}

/** Puts `plugin` into the configuration of `dir` now and whenever either changes, and tells whether it is in it; waits for what is not there yet. */
export function keepConfig(
  dir: string,
  plugin: Watch<CniPlugin>,
  tell: (isChained: boolean) => void,
): Close {
  const file = watchFolder(dir, undefined, clock, async () => {
    const name = activeConfig(readdirSync(dir));
    return name === undefined ? "" : `${name}\n${readFileSync(join(dir, name), "utf8")}`;
  }).distinct();
  return combine([file, plugin])
    .map(([text, wanted]) => {
      if (text !== "") chainIn(dir, wanted);
      return text !== "";
    })
    .observe((state) => {
      tell(state.kind === "ok" && state.value);
      if (state.kind !== "failed") return;
      logger.error("the network's configuration cannot be used", { error: state.fault });
    });
}

function chainIn(dir: string, plugin: CniPlugin): void {
  const name = activeConfig(readdirSync(dir));
  if (name === undefined) return;
  const path = join(dir, name);
  const before = readFileSync(path, "utf8");
  const after = chained(before, plugin);
  if (name.endsWith(".conflist")) {
    if (after === before) return;
    replaceFile(path, after);
  } else {
    // A runtime takes only files of this ending for chains.
    replaceFile(path.replace(/\.\w+$/, ".conflist"), after);
    renameSync(path, path + SAVED);
  }
  logger.info("put the plugin into the network's configuration", { file: name });
}

/** Undoes what was written into the folders for plugins and for networks. */
export function remove(binDir: string, netDir: string): void {
  for (const name of readdirSync(netDir).filter((each) => each.endsWith(".conflist"))) {
    const path = join(netDir, name);
    const saved = readdirSync(netDir).find(
      (each) =>
        each.endsWith(SAVED) &&
        each.slice(0, -SAVED.length).replace(/\.\w+$/, "") === name.slice(0, -".conflist".length),
    );
    if (saved !== undefined) {
      renameSync(join(netDir, saved), join(netDir, saved.slice(0, -SAVED.length)));
      rmSync(path);
    } else if (readFileSync(path, "utf8").includes(`"${PLUGIN}"`)) {
      replaceFile(path, unchained(readFileSync(path, "utf8")));
    }
  }
  for (const name of [PLUGIN, `${PLUGIN}.d`])
    if (existsSync(join(binDir, name))) rmSync(join(binDir, name), { recursive: true });
  logger.info("removed the plugin");
}

// A pod that ends is replaced, unless what makes it is going too; then its own rights may be gone already.
async function isDeleted(env: Env): Promise<boolean> {
  const api = new KubeApi(inCluster(env));
  const path = `/apis/apps/v1/namespaces/${api.access.namespace}/daemonsets/${PLUGIN}`;
  try {
    const { metadata } = await api.request<{ metadata: { deletionTimestamp?: string } }>(path, {
      timeoutMs: 5000,
    });
    return metadata.deletionTimestamp !== undefined;
  } catch (error) {
    return ["not-found", "no-permission", "unauthenticated"].includes(Fault.from(error).code);
  } finally {
    api.close();
  }
}
