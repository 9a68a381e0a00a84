// What can be known to go wrong before anything is started: programs that are not there, images without a command,
// services that are to be published and do not exist. All of it is said at once.

import { accessSync, constants } from "node:fs";
import { delimiter, resolve } from "node:path";
import { Fault } from "../base/fault.ts";
import type { Container, PodSpec, Resource } from "./kinds.ts";
import { keyOf } from "./kinds.ts";
import { folderOf, inherited, noCommand } from "./podplan.ts";
import type { Env } from "./state.ts";
import { WORKLOADS } from "./wanted.ts";

export type PreflightOptions = {
  readonly env: Env;
  readonly cwd: string;
  readonly publish: Readonly<Record<string, number>>;
};

/** Throws one `bad-input` fault for all that cannot work. */
export function preflight(resources: readonly Resource[], options: PreflightOptions): void {
  const mistakes = resources.flatMap((resource) =>
    containersOf(resource).flatMap((container) => {
      const mistake = mistakeOf(container, options);
      return mistake ? [`${resource.kind} ${keyOf(resource)}: ${mistake}`] : [];
    }),
  );
  const services = new Set(resources.filter(({ kind }) => kind === "Service").map(keyOf));
  for (const name of Object.keys(options.publish)) {
    if (!services.has(name)) mistakes.push(`there is no Service ${name} to publish`);
  }
  if (mistakes.length === 0) return;
  throw new Fault("bad-input", `this cannot run:\n  ${mistakes.join("\n  ")}`);
}

function containersOf(resource: Resource): readonly Container[] {
  type Owner = Partial<PodSpec> & { readonly template?: { readonly spec: PodSpec } };
  const { kind, spec: owner = {} } = resource as { kind: string; spec?: Owner };
  const isWorkload = (WORKLOADS as readonly string[]).includes(kind);
  const pod = isWorkload ? owner.template?.spec : kind === "Pod" ? owner : undefined;
  return [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
}

function mistakeOf(container: Container, { env, cwd }: PreflightOptions): string | undefined {
  const program = container.command?.[0];
  if (program === undefined) return noCommand(container);
  // What a variable stands for is known when the container starts.
  if (program.includes("$(")) return undefined;
  const own = container.env.find(({ name }) => name === "PATH")?.value;
  const path = (own ?? inherited(env)["PATH"]!).split(delimiter);
  const folder = folderOf(container, cwd);
  const places = program.includes("/") ? [folder] : path;
  if (places.some((place) => isProgram(resolve(place, program)))) return undefined;
  const remedy = program.includes("/")
    ? `it is looked for in ${folder}`
    : "install it, or give its path";
  return `there is no program "${program}" for container ${container.name}; ${remedy}`;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
