// Resources of a Kubernetes cluster: each kind is listed and watched while somebody observes it, trimmed to what we
// read, and kept when the API server is away. What a cluster does not serve is empty until it does.

import { delays, exponential } from "../base/backoff.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import type { Close, Observer } from "../base/watch.ts";
import { constant, source, type Watch } from "../base/watch.ts";
import type { KubeApi } from "./kubeapi.ts";
import type { Kind, Metadata, Row } from "./kinds.ts";
import { KINDS, keyOf } from "./kinds.ts";
import type { Account, ResourceMap, Resources } from "./resources.ts";
import type { Mistake, Shape } from "./shape.ts";

export type KubeOptions = {
  readonly clock: Clock;
  /** The kinds to read; the others are empty. Default: all, which takes the permission to read secrets. */
  readonly kinds?: readonly Kind[];
  /** Those of them that count as empty as long as they may not be read; of the others nothing is known then. */
  readonly dispensable?: readonly Kind[];
  /** Only resources of this namespace; default all. */
  readonly namespace?: string;
  /** Only resources with these fields ("spec.nodeName=a"); default all. */
  readonly fields?: string;
  /** Only resources with these labels, as selectors write them; default all. */
  readonly labels?: string;
};

const PAGE = 500;
const RETRY = exponential(200, 30_000, 0.2);
const UNSERVED_MS = 30_000;
// Changes that come together are told together: a new map for each would cost its size for each.
const COALESCE_MS = 20;

/** Resources read through `api`; every kind is one list and one watch, whoever and however many look. */
export function kubeResources(api: KubeApi, options: KubeOptions): Resources {
  const watches = new Map<Kind, Watch<ResourceMap<never>>>();
  const watch = (kind: Kind): Watch<ResourceMap<never>> => {
    if (options.kinds && !options.kinds.includes(kind)) return constant(new Map() as never);
    let found = watches.get(kind);
    if (!found) {
      const isDispensable = options.dispensable?.includes(kind) ?? false;
      found = source(
        (set) => new Informer<never>(api, KINDS[kind], options, set, isDispensable).close,
      );
      watches.set(kind, found);
    }
    return found;
  };
  return {
    watch: watch as Resources["watch"],
    reviewToken: (token, audience) => reviewToken(api, token, audience),
    writeStatus: async (kind, key, status) => {
      const patch = { method: "PATCH", type: "application/merge-patch+json" } as const;
      // A version that is not served is answered as an object that is gone.
      for (const version of KINDS[kind].versions) {
        const path = `${objectPath(kind, version, key)}/status`;
        try {
          return await api.request<void>(path, { ...patch, body: { status } });
        } catch (error) {
          if (!isAbsent(error)) throw error;
        }
      }
    },
  };
}

/** Resources of a kind of one's own, by "namespace/name": one list and one watch while somebody observes it. */
export function watchRow<R extends { readonly metadata: Metadata }>(
  api: KubeApi,
  row: KindRow,
  options: KubeOptions,
): Watch<ReadonlyMap<string, R>> {
  return source((set) => new Informer<R>(api, row, options, set).close);
}

/** The path of all resources of a kind, of one namespace if it is given. */
function listPath({ group, plural }: KindRow, version: string, namespace = ""): string {
  const root = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return namespace === "" ? `${root}/${plural}` : `${root}/namespaces/${namespace}/${plural}`;
}

/** The path of one resource. */
function objectPath(kind: Kind, version: string, key: string): string {
  const [namespace, name] = KINDS[kind].namespaced ? key.split("/") : ["", key];
  return `${listPath(KINDS[kind], version, namespace)}/${name}`;
}

type KindRow = Row<string, Shape<unknown>>;
type Raw = { metadata: { resourceVersion: string; name: string; namespace?: string } };
type Page = { items: Raw[]; metadata: { resourceVersion: string; continue?: string } };
type Event = {
  type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  object: Raw & { code?: number; message?: string };
};

class Informer<R extends { readonly metadata: Metadata }> {
  readonly close: Close;
  readonly #api: KubeApi;
  readonly #row: KindRow;
  readonly #options: KubeOptions;
  readonly #set: Observer<ReadonlyMap<string, R>>;
  readonly #isDispensable: boolean;
  readonly #delays = delays(RETRY, systemRandom);
  readonly #map = new Map<string, R>();
  #version: string;
  #resourceVersion = "";
  #stop: Close = () => {};
  #timer: Timer | undefined;
  #flush: Timer | undefined;
  #closed = false;

  constructor(
    api: KubeApi,
    row: KindRow,
    options: KubeOptions,
    set: Observer<ReadonlyMap<string, R>>,
    isDispensable = false,
  ) {
    this.#isDispensable = isDispensable;
    this.#api = api;
    this.#row = row;
    this.#options = options;
    this.#set = set;
    this.#version = row.versions[0]!;
    this.close = () => {
      this.#closed = true;
      this.#timer?.cancel();
      this.#flush?.cancel();
      this.#stop();
    };
    void this.#list();
  }

  async #list(): Promise<void> {
    try {
      const fresh = new Map<string, R>();
      let token = "";
      do {
        const page = await this.#page(token);
        if (this.#closed) return;
        for (const item of page.items) this.#keep(fresh, item);
        token = page.metadata.continue ?? "";
        this.#resourceVersion = page.metadata.resourceVersion;
      } while (token !== "");
      this.#map.clear();
      for (const [key, resource] of fresh) this.#map.set(key, resource);
      this.#delays.reset();
      this.#tell();
      this.#watch();
    } catch (error) {
      this.#failed(Fault.from(error));
    }
  }

  // Newer clusters drop old versions and old ones lack new: the first that is there is the one.
  async #page(token: string): Promise<Page> {
    const query = `?limit=${PAGE}${this.#selectors}${token === "" ? "" : `&continue=${encodeURIComponent(token)}`}`;
    const ask = (version: string): Promise<Page> =>
      this.#api.request(listPath(this.#row, version, this.#namespace) + query);
    for (const version of token === "" ? this.#row.versions : [this.#version]) {
      try {
        const page = await ask(version);
        this.#version = version;
        return page;
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    throw new Fault("not-found", `the cluster does not serve ${this.#row.plural}`);
  }

  #watch(): void {
    if (this.#closed) return;
    const query = `?watch=1&allowWatchBookmarks=true${this.#selectors}&resourceVersion=${this.#resourceVersion}`;
    this.#stop = this.#api.stream(listPath(this.#row, this.#version, this.#namespace) + query, {
      line: (line) => this.#event(JSON.parse(line) as Event),
      end: (fault) => {
        // The API server ends watches every few minutes, over which something had come.
        if (fault.code === "closed" && fault.detail === undefined)
          this.#again(this.#delays.next(), () => this.#watch());
        else this.#failed(fault);
      },
    });
  }

  #event({ type, object }: Event): void {
    if (type === "ERROR") {
      this.#stop();
      // 410: what we knew last is too old to go on from.
      const wait = object.code === 410 ? 0 : this.#delays.next();
      return this.#again(wait, () => void this.#list());
    }
    this.#delays.reset();
    this.#resourceVersion = object.metadata.resourceVersion;
    if (type === "BOOKMARK") return;
    if (type === "DELETED") this.#map.delete(keyOf(this.#read(object).resource));
    else this.#keep(this.#map, object);
    this.#flush ??= this.#options.clock.after(COALESCE_MS, () => this.#tell());
  }

  #keep(map: Map<string, R>, object: Raw): void {
    const { resource, mistakes } = this.#read(object);
    if (mistakes.length === 0) return void map.set(keyOf(resource), resource);
    const [{ path, wanted }] = mistakes as [Mistake];
    log.logger("platform::kube").warn("left out a resource that cannot be read", {
      kind: this.#row.kind,
      name: `${object.metadata.namespace ?? ""}/${object.metadata.name}`,
      error: `${path.join(".")}: expected ${wanted}`,
    });
  }

  #read(object: Raw): { resource: R; mistakes: Mistake[] } {
    const { shape, kind, group } = this.#row;
    const mistakes: Mistake[] = [];
    const read = shape.read(object, [], mistakes) as object;
    const apiVersion = group === "" ? this.#version : `${group}/${this.#version}`;
    return { resource: { apiVersion, kind, ...read } as never, mistakes };
  }

  #tell(): void {
    this.#flush?.cancel();
    this.#flush = undefined;
    this.#set({ kind: "ok", value: new Map(this.#map) });
  }

  #failed(fault: Fault): void {
    if (this.#closed) return;
    if (isAbsent(fault)) {
      this.#map.clear();
      this.#tell();
      return this.#again(UNSERVED_MS, () => void this.#list());
    }
    // What has come by now counts, and must not come after the failure.
    if (this.#flush !== undefined) this.#tell();
    const { plural } = this.#row;
    log.logger("platform::kube").warn("cannot read resources", { plural, error: fault });
    // A role that is older than this program: what it does not name, its program did without.
    const isUnknown = fault.code === "no-permission" && this.#resourceVersion === "";
    if (this.#isDispensable && isUnknown) {
      this.#tell();
      return this.#again(UNSERVED_MS, () => void this.#list());
    }
    this.#set({ kind: "failed", fault });
    this.#again(this.#delays.next(), () => void this.#list());
  }

  #again(ms: number, run: () => void): void {
    if (!this.#closed) this.#timer = this.#options.clock.after(ms, run);
  }

  get #selectors(): string {
    const { fields: fieldSelector, labels: labelSelector } = this.#options;
    return Object.entries({ fieldSelector, labelSelector })
      .map(([key, value]) => (value === undefined ? "" : `&${key}=${encodeURIComponent(value)}`))
      .join("");
  }

  get #namespace(): string {
    return this.#row.namespaced ? (this.#options.namespace ?? "") : "";
  }
}

async function reviewToken(api: KubeApi, token: string, audience: string): Promise<Account> {
  const body = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenReview",
    spec: { token, audiences: [audience] },
  };
  type Review = {
    status: { authenticated?: boolean; error?: string; user?: { username: string; uid: string } };
  };
  const path = "/apis/authentication.k8s.io/v1/tokenreviews";
  const { status } = await api.request<Review>(path, { method: "POST", body });
  const [system, what, namespace, serviceAccount] = status.user?.username.split(":") ?? [];
  if (!status.authenticated || system !== "system" || what !== "serviceaccount") {
    throw new Fault("unauthenticated", status.error ?? "the token is not a service account's");
  }
  return { namespace: namespace!, serviceAccount: serviceAccount!, uid: status.user!.uid };
}

const isAbsent = (error: unknown): boolean =>
  error instanceof Fault && error.code === "not-found" && (error.detail ?? 404) === 404;
