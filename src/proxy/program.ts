// The program `proxy`: a sidecar as a process. It reads its environment, runs until it is told to stop, and
// drains then; its exit codes are those of linkerd2-proxy.

import { Socket } from "node:net";
import { log } from "../base/log.ts";
import type { Env } from "./env.ts";
import { outliveErrors, trimWhenQuiet } from "./longlived.ts";
import { startProxy } from "./start.ts";

/** Runs a sidecar; resolves to the exit code. Throws `bad-input` for a wrong environment. */
export async function proxyProgram(env: Env): Promise<number> {
  const logger = log.logger("proxy");
  const proxy = await startProxy(env);
  outliveErrors(logger);
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
      trimWhenQuiet();
    },
    () => {},
  );
  return proxy.stopped;
}
