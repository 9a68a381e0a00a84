// The program `proxy`: a sidecar as a process. It reads its environment, runs until it is told to stop, and
// drains then; its exit codes are those of linkerd2-proxy.

import { Socket } from "node:net";
import { systemClock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import { trimMemory } from "../io/trim.ts";
import type { Env } from "./env.ts";
import { startProxy } from "./start.ts";

/** After this long nothing that only starting needs is under way. */
const SETTLED_MS = 1000;

/** Runs a sidecar; resolves to the exit code. Throws `bad-input` for a wrong environment. */
export async function proxyProgram(env: Env): Promise<number> {
  const logger = log.logger("proxy");
  const proxy = await startProxy(env);
  // One connection's bug must not cost all others theirs: it is told, and the process goes on.
  process.on("uncaughtException", (error) => {
    logger.error("Uncaught error", { error: error.stack ?? error.message });
  });
  const stop = (): void => void proxy.drain();
  process.once("SIGTERM", () => void proxy.retire());
  process.once("SIGINT", stop);
  const parentFd = env["LINKERD_PROXY_PARENT_FD"];
  // It must not keep this process alive when all else is over.
  if (parentFd)
    new Socket({ fd: Number(parentFd), readable: true }).once("close", stop).resume().unref();
  proxy.ready.then(
    () => {
      logger.info("Ready", { inbound: proxy.addrs.inbound.port });
      systemClock.after(SETTLED_MS, trimMemory);
    },
    () => {},
  );
  await proxy.stopped;
  return 0;
}
