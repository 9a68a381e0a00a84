// `linkerd service-mirror LINK`: keeps mirrors of another cluster's services in this one for as long as there is the
// Link. Whenever anything changes that they follow from, what is missing is written and what is too much goes; what does
// not succeed is tried again. Of several replicas one does it: the holder of a lease.

import { hostname } from "node:os";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Registry } from "../base/metrics.ts";
import type { Close } from "../base/watch.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import { watchLease } from "../platform/lease.ts";
import type { Env } from "../proxy/env.ts";
import { serveAdmin } from "./adminport.ts";
import { findApi, untilStopped } from "./kubeprocess.ts";
import { type Link, LINK } from "./link.ts";
import type { Sight } from "./mirror.ts";
import { type MirrorOptions, planMirrors, planWithout } from "./mirrorplan.ts";
import { type LinkedOrNot, watchSights } from "./mirrorsight.ts";
import type { Write } from "./mirrorwrite.ts";

const ADMIN = { ip: "0.0.0.0", port: 9999 };
const RETRY_MS = 10_000;
const clock = systemClock;
const logger = log.logger("service-mirror");

type Context = {
  readonly api: KubeApi;
  /** Of the Link, and the name of the cluster that it is of. */
  readonly namespace: string;
  readonly name: string;
  readonly registry: Registry;
  readonly options: MirrorOptions;
};

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runServiceMirror(words: readonly string[], env: Env): Promise<number> {
  const flag = { type: "boolean", default: false } as const;
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: { "enable-headless-services": flag, "enable-namespace-creation": flag },
  });
  const [name, ...rest] = positionals;
  if (name === undefined || rest.length > 0)
    throw new Fault("bad-input", "name the one Link whose services shall be mirrored");
  return untilStopped(env, async (scope) => {
    const api = findApi(env);
    scope.defer(() => api.close());
    const registry = new Registry(clock);
    const options = {
      enableHeadlessServices: values["enable-headless-services"],
      enableNamespaceCreation: values["enable-namespace-creation"],
    };
    const { namespace } = api.access;
    const lease = { namespace, name: `service-mirror-write-${name}`, identity: hostname(), clock };
    let close: Close = () => {};
    scope.defer(() => close());
    scope.defer(
      watchLease(api, lease).each((isOurs) => {
        close();
        close = isOurs ? mirror({ api, namespace, name, registry, options }) : () => {};
      }),
    );
    scope.defer(await serveAdmin(ADMIN, { registry, clock }));
    logger.info("serving", { link: `${namespace}/${name}` });
  });
}

/** Mirrors until closed. */
function mirror(context: Context): Close {
  const seen = watchSights(context, context.options.enableHeadlessServices, clock);
  let isOpen = true;
  let isBusy = false;
  let isStale = false;
  const turn = async (): Promise<void> => {
    isStale = isBusy;
    if (isBusy || !isOpen) return;
    isBusy = true;
    const isDone = await settle(context, seen.value!, () => isOpen).catch(told);
    isBusy = false;
    if (isStale) void turn();
    else if (!isDone) clock.after(RETRY_MS, () => void turn());
  };
  const stop = seen.each(() => void turn());
  return () => {
    isOpen = false;
    stop();
  };
}

/** Brings the cluster to where the mirrors should be; resolves to whether all of that worked. */
async function settle(
  context: Context,
  sight: LinkedOrNot,
  goesOn: () => boolean,
): Promise<boolean> {
  const { api, namespace, name, options, registry } = context;
  if (sight.link === undefined) {
    const left = planWithout(sight, name);
    // What cannot be read, or is no longer served, is not gone.
    if (left.length === 0 || (await hasLink(context))) return true;
    logger.info("there is no such Link, so there are no mirrors", {
      link: name,
      left: left.length,
    });
    return send(api, left, goesOn);
  }
  const linked: Sight = { ...sight, link: sight.link };
  const { writes, status } = planMirrors(linked, options, new Date(clock.wall()).toISOString());
  registry
    .counter("service_mirror_endpoint_repairs", "Endpoints that were not as they should be.")
    .with({ target_cluster_name: name })
    .add(writes.filter(({ path }) => /\/endpoints\b/.test(path)).length);
  const isDone = await send(api, writes, goesOn);
  if (goesOn() && !isDeepStrictEqual(status, sight.link.status)) {
    const path = `/apis/${sight.link.apiVersion}/namespaces/${namespace}/links/${name}/status`;
    const type = "application/merge-patch+json";
    await api.request(path, { method: "PATCH", type, body: { status } });
  }
  return isDone;
}

async function hasLink({ api, namespace, name }: Context): Promise<boolean> {
  const { group, versions, plural } = LINK;
  const links = await api.list<Link>(
    `/apis/${group}/${versions[0]}/namespaces/${namespace}/${plural}`,
  );
  return links.some(({ metadata }) => metadata.name === name);
}

// Others may have been faster, which the next change tells.
const FINE = new Set(["in-use", "not-found"]);

async function send(
  api: KubeApi,
  writes: readonly Write[],
  goesOn: () => boolean,
): Promise<boolean> {
  let isDone = true;
  for (const { path, ...request } of writes) {
    if (!goesOn()) break;
    try {
      await api.request(path, request);
      logger.info("mirrored", { method: request.method, path });
    } catch (error) {
      const fault = Fault.from(error);
      isDone &&= FINE.has(fault.code);
      logger.warn("cannot mirror", { method: request.method, path, error: fault });
    }
  }
  return isDone;
}

function told(error: unknown): false {
  logger.warn("cannot mirror", { error: Fault.from(error) });
  return false;
}
