// Finds the services that a text names, as environment values and arguments do: "emoji-svc.emojivoto:8080",
// "http://web-svc/", "redis://cache.shop.svc.cluster.local:6379/0". Without a network of its own, this is how
// a pod's calls are led into its sidecar.

/** Ports of services by "namespace/name". */
export type ServicePorts = ReadonlyMap<string, readonly number[]>;

/** A service's port, as a text names it. */
export type Target = { readonly service: string; readonly port: number };

const HOST =
  /(?<![\w.-])([a-z0-9][-a-z0-9]*(?:\.[a-z0-9][-a-z0-9]*)*)\.?(?::(\d{1,5}))?(?![\w:]|\.\w)/g;
const IMPLIED_PORT: Record<string, number> = { "http://": 80, "https://": 443 };

/** `text` with each named port of a service replaced by what `address` says; names in `namespace` need no namespace. */
export function replaceMentions(
  text: string,
  namespace: string,
  services: ServicePorts,
  address: (target: Target) => string,
): string {
  return text.replace(HOST, (found: string, host: string, port: string | undefined, at: number) => {
    const service = serviceOf(host, namespace);
    const ports = service === undefined ? undefined : services.get(service);
    const number = port === undefined ? impliedPort(text, at) : Number(port);
    if (service === undefined || number === undefined || !ports?.includes(number)) return found;
    return address({ service, port: number });
  });
}

/** The ports of services that the texts name, each once, in the order of their names. */
export function mentions(
  texts: readonly string[],
  namespace: string,
  services: ServicePorts,
): Target[] {
  const found = new Map<string, Target>();
  for (const text of texts) {
    replaceMentions(text, namespace, services, (target) => {
      found.set(`${target.service}:${target.port}`, target);
      return "";
    });
  }
  return [...found.keys()].sort().map((key) => found.get(key)!);
}

// "name", "name.namespace", and both with ".svc" or ".svc.cluster.local" after the namespace.
function serviceOf(host: string, namespace: string): string | undefined {
  const [name, ns = namespace, ...rest] = host.split(".");
  const suffix = rest.join(".");
  if (suffix !== "" && suffix !== "svc" && suffix !== "svc.cluster.local") return undefined;
  return `${ns}/${name}`;
}

function impliedPort(text: string, at: number): number | undefined {
  const scheme = /\w+:\/\/$/.exec(text.slice(0, at))?.[0];
  return scheme === undefined ? undefined : IMPLIED_PORT[scheme];
}
