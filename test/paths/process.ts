// A sidecar as a process of its own.

import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";
import { get, tcp } from "./mesh.ts";

const MAIN = new URL("../../src/main.ts", import.meta.url).pathname;

/** Starts the program `proxy`; it is killed with the test. */
export function program(
  t: TestContext,
  env: Record<string, string>,
  stdio: "pipe" | "ignore" = "ignore",
) {
  const path = process.env["PATH"] ?? "";
  const child = spawn(process.execPath, [MAIN, "proxy"], {
    env: { PATH: path, ...env },
    stdio: ["ignore", "ignore", "pipe", stdio],
  });
  let errors = "";
  child.stderr!.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk));
  t.after(() => child.kill("SIGKILL"));
  return { child, errors: () => errors };
}

/** The exit code of a process, once it has ended. */
export async function exitCode(child: ChildProcess): Promise<number | null> {
  const [code] = (await once(child, "exit")) as [number | null];
  return code;
}

/** Whether the sidecar at `ip` is ready. */
export const isReady = (ip: string) => async (): Promise<boolean> => {
  const page = await get(ip, 4191, "/ready").catch(() => undefined);
  return page?.status === 200;
};

/** Whether nobody takes connections at a port. */
export const isClosed =
  (t: TestContext, ip: string, port: number) => async (): Promise<boolean> => {
    const socket = await tcp(t, ip, port).catch(() => undefined);
    socket?.destroy();
    return socket === undefined;
  };
