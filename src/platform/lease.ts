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

type Lease = {
  readonly metadata: { readonly resourceVersion: string };
  readonly spec?: { readonly holderIdentity?: string; readonly renewTime?: string };
};

/** Whether we hold the lease, while somebody observes it; given back when nobody does. */
export function watchLease(api: Pick<KubeApi, "request">, options: LeaseOptions): Watch<boolean> {
  const { namespace, name, identity, clock } = options;
  const leases = `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
  const path = `${leases}/${name}`;
  const body = (holderIdentity: string, resourceVersion?: string) => ({
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name, namespace, ...(resourceVersion && { resourceVersion }) },
    spec: {
      holderIdentity,
      leaseDurationSeconds: DURATION_S,
      renewTime: new Date(clock.wall()).toISOString().replace("Z", "000Z"),
    },
  });
  // Clocks of other machines may be wrong: what counts is how long we have seen no renewal.
  let seen = { renewTime: "", atMs: 0 };
  let heldUntilMs = 0;

  const attempt = async (): Promise<boolean> => {
    const lease = await api.request<Lease>(path).catch(unlessAbsent);
    if (!lease) {
      await api.request(leases, { method: "POST", body: body(identity) });
      return true;
    }
    const { holderIdentity = "", renewTime = "" } = lease.spec ?? {};
    if (renewTime !== seen.renewTime) seen = { renewTime, atMs: clock.now() };
    const isFree = holderIdentity === "" || clock.now() - seen.atMs > DURATION_S * 1000;
    if (holderIdentity !== identity && !isFree) return false;
    // Refused with 409 when another was faster.
    const { resourceVersion } = lease.metadata;
    await api.request(path, { method: "PUT", body: body(identity, resourceVersion) });
    return true;
  };

  const release = async (): Promise<void> => {
    const lease = await api.request<Lease>(path);
    if (lease.spec?.holderIdentity !== identity) return;
    const { resourceVersion } = lease.metadata;
    await api.request(path, { method: "PUT", body: body("", resourceVersion) });
  };

  return source<boolean>((set) => {
    let timer: Timer | undefined;
    let closed = false;
    const turn = async (): Promise<void> => {
      try {
        const isOurs = await attempt();
        heldUntilMs = isOurs ? clock.now() + (DURATION_S * 1000) / 2 : 0;
      } catch (error) {
        const fault = Fault.from(error);
        if (fault.code === "in-use") heldUntilMs = 0;
        else log.logger("platform::lease").warn("cannot renew", { lease: name, error: fault });
      }
      if (closed) return;
      set({ kind: "ok", value: clock.now() < heldUntilMs });
      timer = clock.after(PERIOD_MS, () => void turn());
    };
    void turn();
    return () => {
      closed = true;
      timer?.cancel();
      // Whoever closes does not wait; without it the others wait for the lease to end.
      void release().catch(() => {});
    };
  }).distinct();
}

function unlessAbsent(error: unknown): undefined {
  if (!(error instanceof Fault) || error.code !== "not-found") throw error;
  return undefined;
}
