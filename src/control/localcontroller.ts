// The controller of a local mesh: the program that the mesh starts beside itself. It reads resources from the
// mesh's socket and keeps the issuer in its state folder.

import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { constant } from "../base/watch.ts";
import { parseCidr } from "../platform/cidr.ts";
import { remoteResources } from "../platform/remote.ts";
import type { SocketAddr } from "../io/conn.ts";
import type { Env } from "../proxy/env.ts";
import { socketAddr } from "../proxy/settingtypes.ts";
import { startController } from "./controller.ts";
import { openIssuer } from "./issuer.ts";
import { DEFAULT_SETTINGS } from "./world.ts";

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runLocalController(env: Env): Promise<number> {
  const logger = log.logger("controller");
  const need = (name: string): string => {
    const value = env[name];
    if (value) return value;
    throw new Fault("bad-input", `${name} is not set; \`linkerd local up\` starts this program`);
  };
  const addr = (role: string): SocketAddr => socketAddr(need(`LINKERD_CONTROLLER_${role}_ADDR`));
  const trustDomain = need("LINKERD_CONTROLLER_TRUST_DOMAIN");
  const stateDir = need("LINKERD_LOCAL_STATE_DIR");
  const { issuer, notice } = await openIssuer(stateDir, trustDomain, systemClock);
  if (notice) logger.warn(notice);
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
  });
  const controller = await startController({
    resources: remoteResources(need("LINKERD_LOCAL_SOCKET"), systemClock),
    settings: {
      ...DEFAULT_SETTINGS,
      trustDomain,
      clusterNetworks: [parseCidr(need("LINKERD_CONTROLLER_CLUSTER_NETWORKS"))!],
    },
    listen: {
      destination: addr("DESTINATION"),
      policy: addr("POLICY"),
      identity: addr("IDENTITY"),
      admin: addr("ADMIN"),
    },
    issuer: constant(issuer),
    tls: env["LINKERD_CONTROLLER_TLS"] === "true",
    clock: systemClock,
  });
  logger.info("serving", { destination: need("LINKERD_CONTROLLER_DESTINATION_ADDR") });
  await stopped;
  await controller.close();
  return 0;
}
