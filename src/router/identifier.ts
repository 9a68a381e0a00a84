// Identification: which service a request means. A router has one identifier or several, of which the first that can
// name the request does; if none can, the last one's reason is what the client is told.

import type { Clock } from "../base/clock.ts";
import { known, type Watch } from "../base/watch.ts";
import type { HttpReq } from "../io/message.ts";
import { SyntaxFault } from "../name/cursor.ts";
import { parsePath } from "../name/path.ts";
import { poll } from "../name/poll.ts";
import { header } from "../wire/headers.ts";
import { bindPlugin } from "./plugin.ts";
import type { RequestRouterConfig } from "./routerconfig.ts";
import type { FileParts } from "./routerparts.ts";
import { type ServiceName, ServiceNames } from "./servicename.ts";

/** A name, or why there is none. It may take what it consumed off the request's path. */
export type Identifier = (req: HttpReq) => ServiceName | string;

/** The identifier of a router, and what it asks others for. */
export type BoundIdentifier = {
  readonly identify: Identifier;
  /** Resolves when all that it asks others for has been answered, or cannot be. */
  readonly ready: Promise<unknown>;
  close(): void;
};

/** Keeps a watch going for as long as the identifier is used. */
type Hold = <T>(watch: Watch<T>) => Watch<T>;

type Config = RequestRouterConfig["identifier"][number];
type Kinds = {
  readonly [K in Config["kind"]]: (
    settings: Extract<Config, { kind: K }>,
    names: ServiceNames,
    hold: Hold,
    clock: Clock,
  ) => Identifier;
};

const KINDS: Kinds = {
  "io.l5d.methodAndHost":
    ({ httpUriInDst }, names) =>
    ({ method, version, authority, path }) => {
      if (version !== 10 && authority === "") return "HTTP/1.1 request missing hostname";
      const host = version === 10 ? [] : [authority.toLowerCase()];
      const uri = httpUriInDst ? withoutQuery(path).split("/") : [];
      return names.of([version === 10 ? "1.0" : "1.1", method, ...host, ...uri]);
    },
  "io.l5d.path":
    ({ segments, consume }, names) =>
    (req) => {
      const found = withoutQuery(req.path)
        .split("/", segments + 1)
        .slice(1);
      if (found.length < segments || found.includes("")) return "not enough segments in path";
      if (consume) {
        const rest = req.path.slice(found.join("/").length + 1);
        req.path = rest.startsWith("/") ? rest : `/${rest}`;
      }
      return names.of(found);
    },
  "io.l5d.header":
    ({ header: field }, names) =>
    (req) => {
      const value = valueOf(req, field);
      return value === undefined ? `${field} header is absent` : parsed(names, value);
    },
  "io.l5d.header.token":
    ({ header: field }, names) =>
    (req) => {
      const value = valueOf(req, field);
      if (value !== undefined) return names.token(value);
      return field.startsWith(":") ? `missing header: '${field}'` : `${field} header is absent`;
    },
  "io.l5d.header.path":
    ({ header: field, segments }, names) =>
    (req) => {
      const value = valueOf(req, field);
      if (value === undefined) return `missing header: '${field}'`;
      const found = withoutQuery(value)
        .split("/")
        .filter((part) => part !== "");
      const least = segments ?? 1;
      if (found.length < least) return `Path must have at least ${least} segment(s)`;
      return names.of(found.slice(0, segments));
    },
  "io.l5d.static":
    ({ path }, names) =>
    () =>
      names.of(path),
  "io.l5d.ingress": (settings, names, hold, clock) => {
    // Loaded where it is used, with all that it takes to ask Kubernetes.
    const watch = poll(clock, undefined, () => import("./ingress.ts"));
    const naming = hold(watch.flatMap(({ watchIngresses }) => watchIngresses(settings, clock)));
    return (req) => {
      const { state } = naming;
      const found = known(state)?.(req);
      if (typeof found === "object") return names.of(found);
      const why = state.kind === "failed" ? `: ${state.fault.message}` : "";
      return found ?? `the Ingress resources are not known yet${why}`;
    };
  },
  "io.l5d.k8s.istio": () => () =>
    "the identifier io.l5d.k8s.istio needs Istio 0.x, which is no more",
};

/** The identifier of a router. */
export function bindIdentifier(
  { identifier, dstPrefix, protocol }: RequestRouterConfig,
  { plugins, clock }: FileParts,
): BoundIdentifier {
  const held: Watch<unknown>[] = [];
  const hold: Hold = (watch) => {
    held.push(watch);
    return watch;
  };
  const names = new ServiceNames(dstPrefix);
  const category = protocol === "http" ? "httpIdentifier" : "h2Identifier";
  const all = identifier.map((settings): Identifier => {
    if (plugins.parts[category]?.[settings.kind] === undefined) {
      return KINDS[settings.kind](settings as never, names, hold, clock);
    }
    const byPlugin = bindPlugin(plugins, category, settings);
    return (req) => {
      const found = byPlugin(req);
      return typeof found === "string" ? found : names.of(found);
    };
  });
  const closers = held.map((watch) => watch.observe(() => {}));
  return {
    identify: firstOf(all),
    ready: Promise.all(held.map((watch) => watch.next().catch(() => {}))),
    close: () => closers.splice(0).forEach((close) => close()),
  };
}

function firstOf(all: readonly Identifier[]): Identifier {
  const [only] = all;
  if (only !== undefined && all.length === 1) return only;
  return (req) => {
    let found: ServiceName | string = "this router has no identifier";
    for (const identify of all) {
      found = identify(req);
      if (typeof found !== "string") return found;
    }
    return found;
  };
}

// A field without a value names nothing, as if it were not there.
function valueOf(req: HttpReq, field: string): string | undefined {
  switch (field) {
    case ":authority":
    case "Host":
    case "host":
      return req.authority || undefined;
    case ":path":
      return req.path;
    case ":method":
      return req.method;
    default:
      return header(req.headers, field.toLowerCase()) || undefined;
  }
}

function parsed(names: ServiceNames, value: string): ServiceName | string {
  try {
    return names.of(parsePath(value));
  } catch (fault) {
    if (fault instanceof SyntaxFault) return fault.message;
    throw fault;
  }
}

function withoutQuery(path: string): string {
  const end = path.search(/[?#]/);
  return end < 0 ? path : path.slice(0, end);
}
