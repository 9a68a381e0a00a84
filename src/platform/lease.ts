// Leadership by a Lease (coordination.k8s.io): of several replicas that could write the same, one does. Whoever holds
// the lease renews it; when it was not renewed for as long as it lasts, or was given back, another takes it.

import type { Clock, Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { source, type Watch } from "../base/watch.ts";
import type { KubeApi } from "./kubeapi.ts";

export type LeaseOptions = {
  readonly namespace: string;
  readonly name: string;
  /** Who we are, different for each replica. */
  readonly identity: string;
  readonly clock: Clock;
};

/** How long a lease lasts that is not renewed. */
const DURATION_S = 30;
/** Leaders renew, and others look, this often. */
const PERIOD_MS = 5000;
/** How long a renewal counts for who made it. */
const HELD_MS = 15_000;

type Lease = {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec?: { readonly holderIdentity?: string; readonly renewTime?: string };
};

/** Whether we hold the lease, while somebody observes it; given back when nobody does. */
export function watchLease(api: Pick<KubeApi, "request">, options: LeaseOptions): Watch<boolean> {
  const { name, clock } = options;
  return source<boolean>((set) => {
    const held = new Held(api, options);
    let turns: Timer | undefined;
    let end: Timer | undefined;
    let closed = false;
    const tell = (leads: boolean): void => {
      end?.cancel();
      // Long before another may take it, and however long an answer of the API server is awaited.
      end = leads ? clock.after(HELD_MS, () => tell(false)) : undefined;
      if (!closed) set({ kind: "ok", value: leads });
    };
    const turn = async (): Promise<void> => {
      try {
        tell(await held.attempt());
      } catch (error) {
        const fault = Fault.from(error);
        if (fault.code === "in-use") tell(false);
        else log.logger("platform::lease").warn("cannot renew", { lease: name, error: fault });
      }
      if (!closed) turns = clock.after(PERIOD_MS, () => void turn());
    };
    void turn();
    return () => {
      closed = true;
      turns?.cancel();
      end?.cancel();
      // Whoever closes does not wait; without it the others wait for the lease to end.
      void held.release().catch(() => {});
    };
  }).distinct();
}

class Held {
  readonly #api: Pick<KubeApi, "request">;
  readonly #options: LeaseOptions;
  readonly #path: string;
  // Clocks of other machines may be wrong: what counts is how long we have seen no renewal.
  #seen = { renewTime: "", atMs: 0 };

  constructor(api: Pick<KubeApi, "request">, options: LeaseOptions) {
    this.#api = api;
    this.#options = options;
    this.#path = `/apis/coordination.k8s.io/v1/namespaces/${options.namespace}/leases`;
  }

  /** Takes or renews it; false when it is another's. Rejects with `in-use` when another was faster. */
  async attempt(): Promise<boolean> {
    const { identity, clock } = this.#options;
    const lease = await this.#read().catch(unlessAbsent);
    if (!lease) {
      await this.#write("POST", this.#path, identity);
      return true;
    }
    const { holderIdentity = "", renewTime = "" } = lease.spec ?? {};
    if (renewTime !== this.#seen.renewTime) this.#seen = { renewTime, atMs: clock.now() };
    const isFree = holderIdentity === "" || clock.now() - this.#seen.atMs > DURATION_S * 1000;
    if (holderIdentity !== identity && !isFree) return false;
    await this.#replace(lease, identity);
    return true;
  }

  async release(): Promise<void> {
    const lease = await this.#read();
    if (lease.spec?.holderIdentity === this.#options.identity) await this.#replace(lease, "");
  }

  #read(): Promise<Lease> {
    return this.#api.request(`${this.#path}/${this.#options.name}`, { timeoutMs: PERIOD_MS });
  }

  #replace({ metadata }: Lease, holder: string): Promise<void> {
    const path = `${this.#path}/${this.#options.name}`;
    return this.#write("PUT", path, holder, metadata.resourceVersion);
  }

  // Refused with 409 when the version is not the latest.
  #write(
    method: "POST" | "PUT",
    path: string,
    holderIdentity: string,
    resourceVersion?: string,
  ): Promise<void> {
    const { namespace, name, clock } = this.#options;
    const renewTime = new Date(clock.wall()).toISOString().replace("Z", "000Z");
    const body = {
      apiVersion: "coordination.k8s.io/v1",
      kind: "Lease",
      metadata: { name, namespace, ...(resourceVersion && { resourceVersion }) },
      spec: { holderIdentity, leaseDurationSeconds: DURATION_S, renewTime },
    };
    return this.#api.request(path, { method, body, timeoutMs: PERIOD_MS });
  }
}

function unlessAbsent(error: unknown): undefined {
  if (!(error instanceof Fault) || error.code !== "not-found") throw error;
  return undefined;
}
