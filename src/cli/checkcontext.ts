// What the checks of one run share, and how a row of a table of checks is written.

import type { X509Certificate } from "node:crypto";
import { Fault, type FaultCode } from "../base/fault.ts";
import type { MeshPod, World } from "../viz/world.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { parseBundle } from "./certificate.ts";
import type { Check } from "./check.ts";
import { needCluster } from "./cluster.ts";
import type { Globals } from "./command.ts";
import type { Mesh } from "./mesh.ts";
import { findMesh } from "./mesh.ts";

/** What the checks of a run share; the mesh is found by the first of them. */
export class CheckContext {
  readonly globals: Globals;
  readonly env: NodeJS.ProcessEnv;
  /** Of the data plane; "" for all. */
  readonly namespace: string;
  readonly expectedVersion: string | undefined;
  #mesh: Mesh | undefined;
  #api: KubeApi | undefined;

  constructor(
    globals: Globals,
    env: NodeJS.ProcessEnv,
    namespace: string,
    expectedVersion?: string,
  ) {
    this.globals = globals;
    this.env = env;
    this.namespace = namespace;
    this.expectedVersion = expectedVersion;
  }

  /** The API server, for checks of a cluster. */
  get api(): KubeApi {
    return (this.#api ??= needCluster(this.globals, this.env));
  }

  async mesh(): Promise<Mesh> {
    return (this.#mesh ??= await findMesh(this.globals, this.env));
  }

  async world(): Promise<World> {
    return (await this.mesh()).world();
  }

  /** Meshed pods of the data plane that run. */
  async proxies(): Promise<MeshPod[]> {
    const { pods } = await this.world();
    return pods.filter(
      (pod) =>
        pod.meshed &&
        !pod.failed &&
        pod.status !== "Succeeded" &&
        (this.namespace === "" || pod.namespace === this.namespace),
    );
  }

  async anchors(): Promise<X509Certificate[]> {
    return parseBundle((await (await this.mesh()).certificates()).anchors);
  }

  async issuer(): Promise<X509Certificate> {
    const { issuer } = await (await this.mesh()).certificates();
    const [certificate] = parseBundle(issuer ?? "");
    if (!certificate) throw new Fault("not-found", "the issuer's certificate cannot be read");
    return certificate;
  }
}

type Row = Check<CheckContext>;
type Write = (
  severity: Row["severity"],
  description: string,
  anchor: string,
  run: Row["run"],
) => Row;

/** One check, tried once. */
export const row: Write = (severity, description, anchor, run) => ({
  severity,
  description,
  anchor,
  run,
});

/** One that may become right by waiting. */
export const awaited: Write = (...parts) => ({ ...row(...parts), retries: true });

/** An object of which only the name matters. */
export type Named = { readonly metadata: { readonly name: string; readonly namespace?: string } };

/** Fails with the names of what is wrong, one in a line, below what is wrong with it; passes without any. */
export function refuse(title: string, names: readonly string[], code: FaultCode = "bad-input") {
  if (names.length > 0)
    throw new Fault(code, `${title}\n${names.map((name) => `\t* ${name}`).join("\n")}`);
}

/** The same in one line, for names of few objects. */
export function refuseNamed(title: string, objects: readonly Named[], code: FaultCode, more = "") {
  const names = objects.map(({ metadata }) => metadata.name).join(", ");
  if (objects.length > 0) throw new Fault(code, `${title}: ${names}${more && `\n${more}`}`);
}
