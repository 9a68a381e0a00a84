// How to reach an API server and as whom: from a kubeconfig file, or from what a pod finds in its service account.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
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

/** The file that --kubeconfig, $KUBECONFIG or the home directory names; undefined when there is none. */
export function findKubeconfig(
  { kubeconfig }: KubeconfigOptions,
  env: NodeJS.ProcessEnv,
): string | undefined {
  if (kubeconfig !== undefined) return kubeconfig;
  const listed = env["KUBECONFIG"]?.split(":").filter(Boolean) ?? [];
  return [...listed, join(homedir(), ".kube", "config")].find((path) => existsSync(path));
}

/** Reads the access that a context of a kubeconfig gives; throws `bad-input` or `not-found` that says what is missing. */
export function readKubeconfig(
  path: string,
  options: KubeconfigOptions,
  env: NodeJS.ProcessEnv,
): KubeAccess {
  const config = parse(readText(path)) as Kubeconfig | null;
  const name = options.context ?? config?.["current-context"];
  const named = <K extends string, T>(
    what: K,
    list: readonly Named<K, T>[] = [],
    wanted?: string,
  ): T => {
    const found = list.find((each) => each.name === wanted)?.[what];
    if (found !== undefined) return found as T;
    const known = list.map((each) => each.name).join(", ") || "none";
    throw new Fault("bad-input", `${path} has no ${what} "${wanted ?? ""}"; it has: ${known}`);
  };
  const context = named("context", config?.contexts, name);
  const cluster = named("cluster", config?.clusters, context.cluster);
  const user = named("user", config?.users, context.user);
  const near = (file: string): string => readText(resolve(dirname(path), file));
  const pem = (data: string | undefined, file: string | undefined): string | undefined =>
    data !== undefined ? Buffer.from(data, "base64").toString() : file && near(file);
  return {
    server: cluster.server.replace(/\/$/, ""),
    ca: pem(cluster["certificate-authority-data"], cluster["certificate-authority"]),
    cert: pem(user["client-certificate-data"], user["client-certificate"]),
    key: pem(user["client-key-data"], user["client-key"]),
    serverName: cluster["tls-server-name"],
    insecure: cluster["insecure-skip-tls-verify"] ?? false,
    authorization: authorizationOf(user, near, env),
    namespace: context.namespace ?? "default",
    as: options.as,
    asGroups: options.asGroup ?? [],
  };
}

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
      const own = {
        ...env,
        ...Object.fromEntries((exec.env ?? []).map((e) => [e.name, e.value])),
      };
      const { stdout } = await promisify(execFile)(exec.command, [...(exec.args ?? [])], {
        env: own,
      });
      const { status } = JSON.parse(stdout) as {
        status?: { token?: string; expirationTimestamp?: string };
      };
      if (!status?.token) throw new Fault("unauthenticated", `${exec.command} gave no token`);
      const until = status.expirationTimestamp ? Date.parse(status.expirationTimestamp) : Infinity;
      kept = { token: status.token, until };
    }
    return `Bearer ${kept.token}`;
  };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Fault("not-found", `cannot read ${path}: ${(error as Error).message}`);
  }
}
