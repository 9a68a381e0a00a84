// The identifier `io.l5d.ingress`: names by the Ingress resources of Kubernetes, `/svc/<namespace>/<port>/<service>`. The
// API server is asked without TLS where the file says, mostly `kubectl proxy` beside the router, as Linkerd 1 asked it.

import type { Clock } from "../base/clock.ts";
import type { Watch } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import type { Path } from "../name/path.ts";
import { metadata } from "../platform/coreshapes.ts";
import { watchRow } from "../platform/kube.ts";
import { KubeApi } from "../platform/kubeapi.ts";
import { row } from "../platform/kinds.ts";
import { lists, object, type Of, optional, or, port, text } from "../platform/shape.ts";

export type IngressConfig = {
  readonly namespace: string | undefined;
  readonly ingressClassAnnotation: string;
  readonly ignoreDefaultBackends: boolean;
  readonly host: string;
  readonly port: number;
};

const backend = object({
  service: object({ name: text, port: object({ name: optional(text), number: optional(port) }) }),
});
const rule = object({
  host: or(text, () => ""),
  http: optional(
    object({
      paths: lists(
        object({
          path: or(text, () => ""),
          pathType: or(text, () => "ImplementationSpecific"),
          backend,
        }),
      ),
    }),
  ),
});
const ingress = object({
  metadata,
  spec: object({
    ingressClassName: optional(text),
    defaultBackend: optional(backend),
    rules: lists(rule),
  }),
});
const INGRESS = row("Ingress", "networking.k8s.io", "v1", "ingresses", ingress);
type Ingress = Of<typeof ingress>;

/** What decides, in the order in which it is asked. */
type Rule = {
  /** Empty for every host. */
  readonly host: string;
  readonly path: (path: string) => boolean;
  readonly name: Path;
};

/** What gives a request its name by all Ingress resources of a class, or says why it has none. Default backends stand
 * behind all other rules. */
export function watchIngresses(
  config: IngressConfig,
  clock: Clock,
): Watch<(req: HttpReq) => Path | string> {
  const { host, port: portNumber, namespace } = config;
  const api = new KubeApi({
    server: `http://${host}:${portNumber}`,
    ca: undefined,
    cert: undefined,
    key: undefined,
    serverName: undefined,
    insecure: false,
    authorization: () => Promise.resolve(undefined),
    namespace: "",
    as: undefined,
    asGroups: [],
  });
  const options = namespace === undefined ? { clock } : { clock, namespace };
  return watchRow<Ingress>(api, INGRESS, options).map((found) => nameBy(rulesOf(found, config)));
}

function nameBy(rules: readonly Rule[]): (req: HttpReq) => Path | string {
  return ({ authority, path }) => {
    const host = authority.replace(/:\d+$/, "").toLowerCase();
    const end = path.indexOf("?");
    const asked = end < 0 ? path : path.slice(0, end);
    const found = rules.find((one) => (one.host === "" || one.host === host) && one.path(asked));
    return found?.name ?? "no ingress rule matches";
  };
}

function rulesOf(
  ingresses: ReadonlyMap<string, Ingress>,
  { ingressClassAnnotation: wanted, ignoreDefaultBackends }: IngressConfig,
): Rule[] {
  const rules: Rule[] = [];
  const defaults: Rule[] = [];
  const keys = [...ingresses.keys()].sort();
  for (const { metadata: at, spec } of keys.map((key) => ingresses.get(key)!)) {
    const annotation = at.annotations["kubernetes.io/ingress.class"];
    if ((annotation ?? spec.ingressClassName) !== wanted) continue;
    const nameOf = ({ service }: Of<typeof backend>): Path => [
      at.namespace,
      service.port.name ?? String(service.port.number),
      service.name,
    ];
    for (const { host, http } of spec.rules) {
      for (const { path, pathType, backend: to } of http?.paths ?? []) {
        rules.push({ host: host.toLowerCase(), path: matcher(path, pathType), name: nameOf(to) });
      }
    }
    if (spec.defaultBackend && !ignoreDefaultBackends) {
      defaults.push({ host: "", path: () => true, name: nameOf(spec.defaultBackend) });
    }
  }
  return [...rules, ...defaults];
}

// Without a type, a path is a regular expression that has to match the whole, as it was before there were types.
function matcher(path: string, type: string): (asked: string) => boolean {
  if (path === "") return () => true;
  if (type === "Exact") return (asked) => asked === path;
  if (type === "Prefix") {
    const prefix = path.replace(/\/$/, "");
    return (asked) => asked === prefix || asked.startsWith(`${prefix}/`);
  }
  try {
    const pattern = new RegExp(`^(?:${path})$`);
    return (asked) => pattern.test(asked);
  } catch {
    return () => false;
  }
}
