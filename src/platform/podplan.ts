// What the containers of a pod are run with, worked out from its template: variables with their sources and
// $(REFERENCES), the command line, the folder. Pure but for one look at whether a folder exists.

import { existsSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Env } from "./state.ts";
import type { Container, PodSpec } from "./kinds.ts";
import type { Attachment } from "./network.ts";
import type { Store } from "./store.ts";

/** What a container's variables may refer to. */
export type PodFacts = {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly nodeName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
};

/** Where containers run, and what they may refer to. */
export type CommandOptions = { readonly store: Store; readonly cwd: string; readonly env: Env };

export type Command = {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
};

/** Values and arguments of all containers, which may name services. */
export function textsOf(spec: PodSpec, store: Store, namespace: string): string[] {
  return [...spec.initContainers, ...spec.containers].flatMap((container) => [
    ...(container.command ?? []),
    ...(container.args ?? []),
    ...container.env.map(({ value }) => value ?? ""),
    ...Object.values(envFrom(container, store, namespace)),
  ]);
}

/** The command line of a container; throws a `bad-input` fault when the container cannot be run here. */
export function commandOf(
  container: Container,
  facts: PodFacts,
  network: Attachment,
  { store, cwd, env: own }: CommandOptions,
): Command {
  if (!container.command?.length) {
    throw new Fault("bad-input", noCommand(container));
  }
  const env: Record<string, string> = { ...inherited(own), HOSTNAME: facts.name, ...network.env };
  Object.assign(env, envFrom(container, store, facts.namespace));
  for (const variable of container.env) {
    const value = valueOf(variable, facts, network.ip, store);
    if (value !== undefined) env[variable.name] = expand(value, env);
  }
  for (const name in env) env[name] = network.rewrite(env[name]!);
  const argv = [...container.command, ...(container.args ?? [])];
  const folder = folderOf(container, cwd);
  return {
    argv: network.within(
      argv.map((arg) => network.rewrite(expand(arg, env))),
      folder,
    ),
    env,
    cwd: folder,
  };
}

/** Why a container without a command cannot be run. */
export function noCommand({ name, image }: Container): string {
  const what = image === "" ? "nothing to run" : `only the image ${image}`;
  return (
    `container ${name} names ${what}. The local mesh runs commands, not images: ` +
    `give it a command, such as command: ["node", "server.js"]`
  );
}

/** Replaces $(NAME) by its value and $$ by $; a reference to nothing stays as it is (as in Kubernetes). */
function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^()]+)\)/g, (found, name: string | undefined) =>
    name === undefined ? "$" : (env[name] ?? found),
  );
}

/** What a program needs of the user's own environment to run at all. `node` is the one that we run on. */
export function inherited(own: Env): Record<string, string> {
  const env: Record<string, string> = {};
  for (const name of ["HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR"]) {
    const value = own[name];
    if (value !== undefined) env[name] = value;
  }
  const path = own["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  env["PATH"] = `${resolve(process.execPath, "..")}:${path}`;
  return env;
}

function valueOf(
  { name, value, valueFrom }: Container["env"][number],
  facts: PodFacts,
  ip: string,
  store: Store,
): string | undefined {
  if (valueFrom?.fieldRef) return field(name, valueFrom.fieldRef.fieldPath, facts, ip);
  const configMap = valueFrom?.configMapKeyRef;
  const secret = valueFrom?.secretKeyRef;
  const ref = configMap ?? secret;
  if (!ref) return value ?? "";
  const key = `${facts.namespace}/${ref.name}`;
  const data = configMap ? store.get("ConfigMap", key)?.data : secretData(store, key);
  const found = data?.[ref.key];
  if (found === undefined && ref.optional !== true) {
    const kind = configMap ? "ConfigMap" : "Secret";
    throw new Fault(
      "bad-input",
      `${name} wants key ${ref.key} of ${kind} ${key}, which is not there`,
    );
  }
  return found;
}

const FIELDS: Record<string, (facts: PodFacts, ip: string) => string> = {
  "metadata.name": (facts) => facts.name,
  "metadata.namespace": (facts) => facts.namespace,
  "metadata.uid": (facts) => facts.uid,
  "spec.nodeName": (facts) => facts.nodeName,
  "spec.serviceAccountName": (facts) => facts.spec.serviceAccountName,
  "status.podIP": (_, ip) => ip,
  "status.podIPs": (_, ip) => ip,
  "status.hostIP": () => "127.0.0.1",
};

function field(name: string, path: string, facts: PodFacts, ip: string): string {
  const one = FIELDS[path];
  if (one) return one(facts, ip);
  const [, map, key] = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path) ?? [];
  if (map === "labels" || map === "annotations") return facts[map][key!] ?? "";
  const known = [...Object.keys(FIELDS), "metadata.labels['…']", "metadata.annotations['…']"];
  throw new Fault("bad-input", `${name} wants the field ${path}; known are ${known.join(", ")}`);
}

function envFrom(container: Container, store: Store, namespace: string): Record<string, string> {
  const env: Record<string, string> = {};
  for (const { prefix = "", configMapRef, secretRef } of container.envFrom) {
    const ref = configMapRef ?? secretRef;
    if (!ref) continue;
    const key = `${namespace}/${ref.name}`;
    const data = configMapRef ? store.get("ConfigMap", key)?.data : secretData(store, key);
    if (data === undefined && ref.optional !== true) {
      throw new Fault("bad-input", `container ${container.name} wants ${key}, which is not there`);
    }
    for (const name in data) env[prefix + name] = data[name]!;
  }
  return env;
}

function secretData(store: Store, key: string): Record<string, string> | undefined {
  const secret = store.get("Secret", key);
  if (!secret) return undefined;
  const data = Object.entries(secret.data).map(([name, value]) => {
    return [name, Buffer.from(value, "base64").toString()] as const;
  });
  return { ...Object.fromEntries(data), ...secret.stringData };
}

/** Where a container runs: a folder inside an image means nothing here; one that exists, or is relative, is meant for us. */
export function folderOf({ workingDir }: Container, cwd: string): string {
  if (workingDir === undefined) return cwd;
  const folder = isAbsolute(workingDir) ? workingDir : resolve(cwd, workingDir);
  return existsSync(folder) ? folder : cwd;
}
