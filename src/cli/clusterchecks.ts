// What `linkerd check` looks at around the mesh: resources of the Gateway API, extensions, a newer version, and nodes.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { type Named, refuse, row } from "./checkcontext.ts";
import { clientVersion } from "./version.ts";

const GATEWAY = "gateway.networking.k8s.io";
const ROUTES = ["httproutes", "grpcroutes"];
const EXTENSION = "linkerd.io/extension";
const TIMEOUT_MS = 10_000;

/** Routes of the Gateway API. The mesh goes without: its own HTTPRoute is of policy.linkerd.io. */
export const GATEWAY_API: Category<CheckContext> = {
  id: "gateway-api-crd",
  checks: [
    row("warning", "Gateway API CRDs are installed", "gateway-api-crd", async (c) => {
      type Served = { readonly name: string };
      const path = `/apis/${GATEWAY}/v1`;
      const { resources } = await c.api
        .request<{ resources: readonly Served[] }>(path)
        .catch(() => ({ resources: [] as readonly Served[] }));
      const missing = ROUTES.filter((route) => !resources.some(({ name }) => name === route));
      if (missing.length > 0)
        throw new Fault(
          "not-found",
          `the cluster does not know ${missing.map((name) => `${name}.${GATEWAY}`).join(", ")}: install the Gateway API where you want its routes; HTTPRoutes of policy.linkerd.io work without`,
        );
    }),
  ],
};

// Nobody is asked about versions of ours until somebody says whom.
const VERSION_URL = "LINKERD_VERSION_URL";

/** Whether there is a newer version, where the environment says who knows, or the user which one is expected. */
export const NEWEST: Category<CheckContext> = {
  id: "linkerd-version",
  applies: async (c) => isNewestKnown(c),
  checks: [
    row("warning", "can determine the latest version", "l5d-version-latest", async (c) => {
      await newest(c);
    }),
    row("warning", "cli is up-to-date", "l5d-version-cli", async (c) =>
      expectNewest(c, clientVersion(c.env)),
    ),
  ],
};

const isNewestKnown = (c: CheckContext): boolean =>
  c.expectedVersion !== undefined || c.env[VERSION_URL] !== undefined;

/** The same of the control plane. */
export const CONTROL_NEWEST = row(
  "warning",
  "control plane is up-to-date",
  "l5d-version-control",
  async (c) => {
    if (isNewestKnown(c)) await expectNewest(c, await (await c.mesh()).version());
  },
);

/** The same of proxies; those of a local mesh are of what runs. */
export const DATA_NEWEST = row(
  "warning",
  "data plane is up-to-date",
  "l5d-data-plane-version",
  async (c) => {
    const latest = isNewestKnown(c) ? await newest(c) : undefined;
    const older = (await c.proxies()).filter(
      ({ proxyVersion }) => latest !== undefined && !["", "local", latest].includes(proxyVersion),
    );
    refuse(
      `the latest version is ${latest}, but these pods have another proxy:`,
      older.map(({ namespace, name, proxyVersion }) => `${namespace}/${name} (${proxyVersion})`),
    );
  },
);

async function expectNewest(c: CheckContext, version: string): Promise<void> {
  const latest = await newest(c);
  if (version !== latest)
    throw new Fault("bad-input", `is running version ${version} but the latest is ${latest}`);
}

/** The answer of such a server has the newest version of each channel, `{"stable": "stable-2.1"}`. */
async function newest({ env, expectedVersion }: CheckContext): Promise<string> {
  if (expectedVersion !== undefined) return expectedVersion;
  const url = env[VERSION_URL]!;
  const [channel = ""] = clientVersion(env).split("-");
  const rsp = await fetch(`${url}?version=${encodeURIComponent(clientVersion(env))}&source=cli`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((error: unknown) => {
    throw new Fault("unavailable", `${url} does not answer: ${Fault.from(error).message}`);
  });
  const versions = rsp.ok ? ((await rsp.json()) as Readonly<Record<string, string>>) : {};
  const found = versions[channel];
  if (found !== undefined) return found;
  throw new Fault("not-found", `${url} (${rsp.status}) names no version of the channel ${channel}`);
}

type Namespace = { readonly metadata: { name: string; labels: Record<string, string> } };

/** Extensions are namespaces with a label: these, by its value. */
export async function installedExtensions(c: CheckContext): Promise<Map<string, Namespace[]>> {
  const all = await c.api.list<Namespace>("/api/v1/namespaces", EXTENSION);
  return Map.groupBy(all, ({ metadata }) => metadata.labels[EXTENSION]!);
}

/** Whether each of them is there once. */
export const EXTENSIONS: Category<CheckContext> = {
  id: "linkerd-extension-checks",
  checks: [
    row(
      "warning",
      "namespace configuration for extensions",
      "l5d-extension-namespaces",
      async (c) => {
        const twice = [...(await installedExtensions(c))].filter(
          ([, namespaces]) => namespaces.length > 1,
        );
        refuse(
          "several namespaces have one extension:",
          twice.flatMap(([name, some]) => some.map(({ metadata }) => `${metadata.name} (${name})`)),
        );
      },
    ),
  ],
};

/** Whether the init container can do without root. */
export const INIT_AS_ROOT = row(
  "error",
  "proxy-init container runs as root user if docker container runtime is used",
  "l5d-proxy-init-run-as-root",
  async (c) => {
    const { values } = await fetchInstallation(c.api, c.globals.linkerdNamespace);
    if (values.cniEnabled || values.proxyInit.runAsRoot) return;
    type Node = Named & { readonly status: { nodeInfo: { containerRuntimeVersion: string } } };
    const docker = (await c.api.list<Node>("/api/v1/nodes")).filter(({ status }) =>
      status.nodeInfo.containerRuntimeVersion.startsWith("docker:"),
    );
    if (docker.length > 0)
      throw new Fault(
        "bad-input",
        `there are nodes with Docker, which gives no capabilities to others than root: "linkerd upgrade --set proxyInit.runAsRoot=true"`,
      );
  },
);
