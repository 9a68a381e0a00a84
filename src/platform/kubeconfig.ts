// How to reach an API server and as whom: from a kubeconfig file, or from what a pod finds in its service account.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";

export type KubeAccess = {
  /** "https://10.0.0.1:6443", perhaps with a path. */
  readonly server: string;
  /** PEM; the system's authorities when absent. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  /** The name to expect in the server's certificate, when it is not the host. */
  readonly serverName: string | undefined;
  readonly insecure: boolean;
  /** The value of Authorization, asked for before each request; undefined for none. */
  readonly authorization: () => Promise<string | undefined>;
  /** The namespace when none is given. */
  readonly namespace: string;
  /** User and groups to act as. */
  readonly as: string | undefined;
  readonly asGroups: readonly string[];
};

export type KubeconfigOptions = {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly as?: string | undefined;
  readonly asGroup?: readonly string[];
};

type Named<K extends string, T> = { readonly name: string } & { readonly [P in K]?: T };
type Cluster = {
  readonly server: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "insecure-skip-tls-verify"?: boolean;
  readonly "tls-server-name"?: string;
};
type Exec = {
  readonly command: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly apiVersion?: string;
};
type User = {
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly exec?: Exec;
};
type Kubeconfig = {
  readonly "current-context"?: string;
  readonly contexts?: readonly Named<
    "context",
    { cluster: string; user: string; namespace?: string }
  >[];
  readonly clusters?: readonly Named<"cluster", Cluster>[];
  readonly users?: readonly Named<"user", User>[];
};

const ACCOUNT_DIR = "/var/run/secrets/kubernetes.io/serviceaccount";

/** The files that --kubeconfig, $KUBECONFIG or else the home directory name; empty when nothing does. */
export function findKubeconfig(
  { kubeconfig }: KubeconfigOptions,
  env: NodeJS.ProcessEnv,
): readonly string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  const listed = env["KUBECONFIG"]?.split(delimiter).filter(Boolean) ?? [];
  const isThere = (path: string): boolean => existsSync(path);
  if (listed.length === 0) return [join(homedir(), ".kube", "config")].filter(isThere);
  // Whoever names files means no other one, and hears which are missing when none is there.
  return listed.some(isThere) ? listed.filter(isThere) : listed;
}

/** Reads the access that a context of kubeconfigs gives, in which what stands first counts, as with kubectl; throws
 * `bad-input` or `not-found` that says what is missing. */
export function readKubeconfig(
  paths: readonly string[],
  options: KubeconfigOptions,
  env: NodeJS.ProcessEnv,
): KubeAccess {
  return accessOf(
    paths.map((path) => ({ path, config: parseConfig(readText(path), path) })),
    options,
    env,
  );
}

/** The access that a kubeconfig's own context gives; `where` names the text in faults. */
export function parseKubeconfig(text: string, where: string): KubeAccess {
  return accessOf([{ path: where, config: parseConfig(text, where) }], {}, {});
}

function accessOf(
  configs: readonly { readonly path: string; readonly config: Kubeconfig }[],
  options: KubeconfigOptions,
  env: NodeJS.ProcessEnv,
): KubeAccess {
  const own = configs.find(({ config }) => config["current-context"])?.config["current-context"];
  const named = <K extends string, T>(
    what: K,
    listOf: (config: Kubeconfig) => readonly Named<K, T>[] | null | undefined,
    wanted = "",
  ): { readonly value: T; readonly path: string } => {
    const all = configs.flatMap(({ path, config }) =>
      (listOf(config) ?? []).map((each) => ({ name: each.name, value: each[what], path })),
    );
    const found = all.find(({ name, value }) => name === wanted && value);
    if (found) return { value: found.value as T, path: found.path };
    const known = all.map(({ name }) => name).join(", ") || "none";
    const where = configs.map(({ path }) => path).join(", ");
    throw new Fault("bad-input", `${where} has no ${what} "${wanted}"; it has: ${known}`);
  };
  const { value: context } = named("context", ({ contexts }) => contexts, options.context ?? own);
  const { value: cluster, path } = named("cluster", ({ clusters }) => clusters, context.cluster);
  const { value: user, path: ofUser } = named("user", ({ users }) => users, context.user);
  const pem = (near: string, data?: string, file?: string): string | undefined =>
    data !== undefined ? Buffer.from(data, "base64").toString() : file && readNear(near, file);
  return {
    server: cluster.server.replace(/\/$/, ""),
    ca: pem(path, cluster["certificate-authority-data"], cluster["certificate-authority"]),
    cert: pem(ofUser, user["client-certificate-data"], user["client-certificate"]),
    key: pem(ofUser, user["client-key-data"], user["client-key"]),
    serverName: cluster["tls-server-name"],
    insecure: cluster["insecure-skip-tls-verify"] ?? false,
    authorization: authorizationOf(user, (file) => readNear(ofUser, file), env),
    namespace: context.namespace ?? "default",
    as: options.as,
    asGroups: options.asGroup ?? [],
  };
}

/** The names of all contexts of kubeconfigs. */
export function contextsIn(paths: readonly string[]): string[] {
  return paths.flatMap((path) =>
    (parseConfig(readText(path), path).contexts ?? []).map(({ name }) => name),
  );
}

function parseConfig(text: string, path: string): Kubeconfig {
  try {
    return (parse(text) as Kubeconfig | null) ?? {};
  } catch (error) {
    throw new Fault("bad-input", `${path} is no kubeconfig: ${(error as Error).message}`);
  }
}

const readNear = (path: string, file: string): string => readText(resolve(dirname(path), file));

/** Whether this process runs in a pod that may talk to its API server. */
export function isInCluster(env: NodeJS.ProcessEnv): boolean {
  return env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(`${ACCOUNT_DIR}/token`);
}

/** The access of the pod that this process runs in. */
export function inCluster(env: NodeJS.ProcessEnv): KubeAccess {
  const host = env["KUBERNETES_SERVICE_HOST"] ?? "";
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${env["KUBERNETES_SERVICE_PORT"] ?? 443}`,
    ca: readText(`${ACCOUNT_DIR}/ca.crt`),
    cert: undefined,
    key: undefined,
    serverName: undefined,
    insecure: false,
    // The kubelet replaces the token; reading it costs less than a request.
    authorization: async () => `Bearer ${readText(`${ACCOUNT_DIR}/token`).trim()}`,
    namespace: readText(`${ACCOUNT_DIR}/namespace`).trim(),
    as: undefined,
    asGroups: [],
  };
}

function authorizationOf(
  user: User,
  near: (file: string) => string,
  env: NodeJS.ProcessEnv,
): KubeAccess["authorization"] {
  const { token, tokenFile, username, password, exec } = user;
  if (tokenFile !== undefined) return async () => `Bearer ${near(tokenFile).trim()}`;
  if (token !== undefined) return async () => `Bearer ${token}`;
  if (username !== undefined) {
    const pair = Buffer.from(`${username}:${password ?? ""}`).toString("base64");
    return async () => `Basic ${pair}`;
  }
  return exec === undefined ? async () => undefined : execToken(exec, env);
}

// A credential plug-in (client.authentication.k8s.io); its token is kept until it expires.
function execToken(exec: Exec, env: NodeJS.ProcessEnv): KubeAccess["authorization"] {
  let kept: { token: string; until: number } | undefined;
  return async () => {
    if (kept === undefined || kept.until < systemClock.wall()) {
      const status = await askPlugin(exec, env);
      if (!status?.token) throw new Fault("unauthenticated", `${exec.command} gave no token`);
      const until = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Infinity;
      kept = { token: status.token, until };
    }
    return `Bearer ${kept.token}`;
  };
}

type Credential = { readonly token?: string; readonly expirationTimestamp?: string };

async function askPlugin(
  { command, args = [], env: more = [], apiVersion }: Exec,
  env: NodeJS.ProcessEnv,
): Promise<Credential | undefined> {
  const question = { apiVersion, kind: "ExecCredential", spec: { interactive: false } };
  const own = {
    ...env,
    KUBERNETES_EXEC_INFO: JSON.stringify(question),
    ...Object.fromEntries(more.map(({ name, value }) => [name, value])),
  };
  try {
    const { stdout } = await promisify(execFile)(command, [...args], { env: own });
    return (JSON.parse(stdout) as { status?: Credential }).status;
  } catch (error) {
    const { message } = error as Error;
    throw new Fault(
      "unauthenticated",
      `${command}, which the kubeconfig names, failed: ${message}`,
    );
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("not-found", `cannot read ${path}: ${(error as Error).message}`);
  }
}
