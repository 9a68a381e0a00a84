// What a router has bound and keeps while it is used: service names, bound names, clients. Each has a cache of its own
// with the sizes of the file.

import type { Bind, HttpService } from "../stack/types.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { BindCache, type Bindable } from "./bindcache.ts";
import type { LocalDtab } from "./localdtab.ts";
import { routedOf } from "./routed.ts";
import { RouterClient } from "./routerclient.ts";
import type { RouterParts } from "./routerparts.ts";
import type { ServiceName } from "./servicename.ts";
import { type BoundLeaf, ServicePath } from "./servicepath.ts";
import { synthetic } from "./synthetic.ts";

type BoundService = Bindable & { readonly service: HttpService };

/** How the page makes services of what is cached. */
export type Binds = {
  readonly service: Bind<ServicePath, HttpReq, HttpRsp>;
  readonly bound: (leaf: BoundLeaf, client: HttpService) => HttpService;
  readonly client: Bind<RouterClient, HttpReq, HttpRsp>;
};

export class RouterCaches {
  readonly #parts: RouterParts;
  readonly #paths: BindCache<ServicePath>;
  readonly #bounds: BindCache<BoundService>;
  readonly #clients: BindCache<RouterClient>;
  readonly #binds: Binds;

  constructor(parts: RouterParts, binds: Binds) {
    const { clock, config, scope } = parts;
    const { paths, trees, bounds, clients, idleTtlSecs } = config.bindingCache;
    const cache = <V extends Bindable>(name: string, max: number): BindCache<V> =>
      new BindCache({ clock, max, idleMs: idleTtlSecs * 1000, scope: scope.at("bindcache", name) });
    this.#parts = parts;
    this.#binds = binds;
    this.#paths = cache("path", paths);
    // A name keeps its own tree; the metrics are there for those who look for them.
    cache("tree", trees).close();
    this.#bounds = cache("bound", bounds);
    this.#clients = cache("client", clients);
  }

  /** The service of a name, bound when it is first asked for. */
  readonly service = (name: ServiceName, dtab: LocalDtab, now: number): ServicePath => {
    const key = dtab.text === "" ? name.text : `${name.text}\n${dtab.text}`;
    const found = this.#paths.use(key, now);
    if (found !== undefined) return found;
    const path = new ServicePath(name, dtab, this.#parts);
    path.service = this.#binds.service(path);
    return this.#paths.add(key, now, path);
  };

  /** The service of a leaf. */
  readonly bound = (leaf: BoundLeaf, now: number): HttpService =>
    (this.#bounds.use(leaf.key, now) ?? this.#bounds.add(leaf.key, now, this.#bind(leaf))).service;

  services(): ServicePath[] {
    return this.#paths.values();
  }

  clients(): RouterClient[] {
    return this.#clients.values();
  }

  close(): void {
    for (const cache of [this.#paths, this.#bounds, this.#clients]) cache.close();
  }

  #bind(leaf: BoundLeaf): BoundService {
    const { status } = leaf.bound;
    const service = status === undefined ? this.#toClient(leaf) : synthetic(status);
    // It holds nothing by itself: the client that it leads to does.
    return { service: this.#binds.bound(leaf, service), busy: false, close() {} };
  }

  #toClient(leaf: BoundLeaf): HttpService {
    return (req) => {
      const client = this.#clients.use(leaf.id, req.at) ?? this.#addClient(leaf, req.at);
      routedOf(req)!.client = client;
      return client.service(req);
    };
  }

  #addClient(leaf: BoundLeaf, now: number): RouterClient {
    const client = new RouterClient(leaf, this.#parts);
    client.service = this.#binds.client(client);
    return this.#clients.add(leaf.id, now, client);
  }
}
