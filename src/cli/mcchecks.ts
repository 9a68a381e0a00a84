// What `linkerd multicluster check` looks at: the rows of Linkerd's, with its words and hint anchors.

import { Fault } from "../base/fault.ts";
import { fetchInstallation } from "../control/installation.ts";
import { FLAT, type Link, LINK, MARKS } from "../control/link.ts";
import { keyOf } from "../platform/kinds.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { parseBundle } from "./certificate.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, refuse, row } from "./checkcontext.ts";
import { isForbidden } from "./gapchecks.ts";
import { expectReady, podsAt } from "./kubeparts.ts";
import { accessOf, controllersOf, linksOf, mirrorEndpointsIn, mirrorsIn } from "./mclinked.ts";
import { clientVersion } from "./version.ts";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const CREATED_BY = "linkerd.io/created-by";
const TIMEOUT_MS = 10_000;

type Checks = Category<CheckContext>["checks"];

const anchor = (name: string): string => `l5d-multicluster-${name}`;

const OF_LINKS: Checks = [
  row("fatal", "Link CRD exists", anchor("link-crd-exists"), async (c) => {
    await c.api.request(`${CRDS}/${LINK.plural}.${LINK.group}`);
  }),
  row("fatal", "Link resources are valid", anchor("links-are-valid"), async (c) =>
    refuse(
      "these cannot be read, and are not followed:",
      (await linksOf(c.api)).flatMap(({ link, mistakes }) =>
        mistakes.map(
          ({ path, wanted }) => `${link.metadata.name}: ${path.join(".")} is not ${wanted}`,
        ),
      ),
    ),
  ),
  row("warning", "Link and CLI versions match", anchor("links-version"), async (c) => {
    const own = clientVersion(c.env);
    const others = (await links(c))
      .map(({ metadata: { name, annotations } }) => [name, annotations[CREATED_BY]] as const)
      .filter(([, by]) => by !== undefined && !by.endsWith(` ${own}`));
    refuse(
      `made by another version than ${own}; "linkerd multicluster link-gen" makes them anew:`,
      others.map(([name, by]) => `${name} (${by})`),
    );
  }),
];

const access = (timeoutMs: number): Checks => [
  row(
    "error",
    "remote cluster access credentials are valid",
    "l5d-smc-target-clusters-access",
    (c) =>
      eachLink(c, async (link) => {
        const path = "/api/v1/services?limit=1";
        await within(c, link, (api) => api.request(path, { timeoutMs }));
      }),
  ),
];

const OF_MIRRORS: Checks = [
  row("error", "clusters share trust anchors", anchor("clusters-share-anchors"), (c) =>
    eachLink(c, (link) => within(c, link, (api) => expectShared(c, link, api))),
  ),
  row(
    "error",
    "service mirror controller has required permissions",
    anchor("source-rbac-correct"),
    (c) => eachLink(c, (link) => expectAllowed(c, link)),
  ),
  awaited(
    "error",
    "service mirror controllers are running",
    anchor("service-mirror-running"),
    (c) =>
      eachLink(c, async (link) => {
        const pods = await controllers(c, link);
        if (pods.length > 0) expectReady(pods);
      }),
  ),
  row("error", "extension is managing controllers", anchor("managed-controllers"), (c) =>
    eachLink(c, async (link) => {
      const { name } = link.metadata;
      if ((await controllers(c, link)).length === 0)
        throw new Fault(
          "unavailable",
          `"multicluster install" needs --set controllers[0].link.ref.name=${name}`,
        );
    }),
  ),
  awaited(
    "error",
    "probe services able to communicate with all gateway mirrors",
    anchor("gateways-endpoints"),
    (c) =>
      eachLink(c, async ({ status, spec }) => {
        const { gateways } = status;
        if (spec.gatewayAddress !== "" && gateways.length === 0)
          throw new Fault("unavailable", "the mirror has not probed its gateway yet");
        const away = gateways.filter(({ alive }) => !alive);
        if (away.length > 0)
          throw new Fault("unavailable", away.map(({ message }) => message).join("; "));
      }),
  ),
  awaited(
    "error",
    "all mirror services have endpoints",
    anchor("services-endpoints"),
    expectEndpoints,
  ),
  row("error", "all mirror services are part of a Link", anchor("orphaned-services"), async (c) => {
    const known = new Set((await links(c)).map(({ metadata }) => metadata.name));
    const orphans = (await mirrorsIn(c.api)).filter(
      ({ metadata }) => !known.has(metadata.labels[MARKS.cluster] ?? ""),
    );
    refuse('nobody keeps these; "kubectl delete" takes them away:', orphans.map(keyOf));
  }),
  awaited(
    "error",
    "multicluster extension proxies are healthy",
    anchor("proxy-healthy"),
    async (c) => {
      const pods = await podsAt(c, "/api/v1/pods", "linkerd.io/extension=multicluster");
      if (pods.length > 0) expectReady(pods);
    },
  ),
];

/** Whether clusters are linked as they should be; `timeoutMs` is the longest wait for one of them. */
export const multiclusterChecks = (timeoutMs = TIMEOUT_MS): Category<CheckContext> => ({
  id: "linkerd-multicluster",
  checks: [...OF_LINKS, ...access(timeoutMs), ...OF_MIRRORS],
});

const links = async (c: CheckContext): Promise<Link[]> =>
  (await linksOf(c.api)).map(({ link }) => link);

const controllers = (c: CheckContext, link: Link) =>
  podsAt(c, `/api/v1/namespaces/${link.metadata.namespace}/pods`, controllersOf(link));

/** Fails with what is wrong with each Link. */
async function eachLink(c: CheckContext, run: (link: Link) => Promise<void>): Promise<void> {
  const wrong = (await links(c)).map((link) =>
    run(link).then(
      () => [],
      (error: Error) => [`${link.metadata.name}: ${error.message}`],
    ),
  );
  refuse("not so for these Links:", (await Promise.all(wrong)).flat());
}

/** Asks the cluster of a Link, with the credentials of its mirror. */
async function within<T>(
  c: CheckContext,
  link: Link,
  ask: (api: KubeApi) => Promise<T>,
): Promise<void> {
  const api = new KubeApi(await accessOf(c.api, link));
  try {
    await ask(api);
  } finally {
    api.close();
  }
}

// While anchors are replaced, clusters have several for a while: one of each is enough.
async function expectShared(c: CheckContext, { spec }: Link, far: KubeApi): Promise<void> {
  const bundles = await Promise.all([
    fetchInstallation(c.api, c.globals.linkerdNamespace),
    fetchInstallation(far, spec.targetClusterLinkerdNamespace),
  ]);
  const [near, there] = bundles.map(({ trustAnchors }) => parseBundle(trustAnchors));
  if (
    !near!.some((anchor) => there!.some((other) => anchor.fingerprint256 === other.fingerprint256))
  )
    throw new Fault(
      "unavailable",
      "none of its trust anchors is one of this cluster's, so no proxy believes another",
    );
}

const WRITES = ["create", "update", "delete"].flatMap((verb) =>
  ["services", "endpoints"].map((resource) => ({ group: "", verb, resource })),
);

async function expectAllowed(c: CheckContext, { metadata: { name, namespace } }: Link) {
  const user = `system:serviceaccount:${namespace}:controller-${name}`;
  const refused = await Promise.all(WRITES.map((what) => isForbidden(c, user, what)));
  const missing = WRITES.filter((_, i) => refused[i]);
  if (missing.length > 0)
    throw new Fault(
      "unavailable",
      `controller-${name} may not ${missing.map(({ verb, resource }) => `${verb} ${resource}`).join(", ")}`,
    );
}

async function expectEndpoints(c: CheckContext): Promise<void> {
  const ready = new Set(
    (await mirrorEndpointsIn(c.api))
      .filter(({ subsets }) => subsets.some(({ addresses }) => addresses.length > 0))
      .map(keyOf),
  );
  const without = (await mirrorsIn(c.api))
    .filter(({ metadata }) => metadata.labels[FLAT.cluster] === undefined)
    .map(keyOf)
    .filter((key) => !ready.has(key));
  refuse("without an address that answers:", without, "unavailable");
}
