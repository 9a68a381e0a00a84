// The trust anchors: from a file that is watched, or from the environment until the identity service tells others. So
// they change without a restart. What it told is kept beside our key, in a volume of the pod, since the environment of a
// container that starts again is still that of its pod's first day. What goes away or is empty keeps the last good roots.

import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { source, type Watch } from "../base/watch.ts";
import { watchFile } from "../name/file.ts";
import type { Settings } from "./env.ts";
import type { Answer } from "./subscription.ts";
import { parseAnchors, type Told } from "./trust.ts";

const KEPT = "trust-anchors.pem";

/** PEM of the trust anchors; `told` is what the identity service says, where there is one. */
export function watchAnchors(
  { identity, own }: Settings,
  told: Watch<Answer<Told>> | undefined,
  clock: Clock,
): Watch<string> {
  const { trustAnchorsFile: file } = own;
  if (file !== undefined) {
    return watchFile(file, clock).map((text) => {
      if (text?.includes("-----BEGIN CERTIFICATE-----")) return text;
      throw new Fault("not-found", `${file} has no certificates in PEM`);
    });
  }
  const { dir } = identity;
  const kept = dir === undefined ? undefined : `${dir}/${KEPT}`;
  return source((set) => {
    let current = readKept(kept) ?? identity.trustAnchors!;
    set({ kind: "ok", value: current });
    return (
      told?.each((answer) => {
        if (!answer.exists || answer.value.anchorsPem === current) return;
        current = answer.value.anchorsPem;
        set({ kind: "ok", value: current });
        log.logger("proxy::identity").info("trust anchors changed", {
          serials: parseAnchors(current).map(({ serialNumber }) => serialNumber),
        });
        if (kept !== undefined) void keep(kept, current);
      }) ?? (() => {})
    );
  });
}

function readKept(path: string | undefined): string | undefined {
  try {
    const text = path === undefined ? "" : readFileSync(path, "utf8");
    parseAnchors(text);
    return text;
  } catch {
    return undefined;
  }
}

// Whole or not at all: a process may end at any time.
async function keep(path: string, pem: string): Promise<void> {
  try {
    await writeFile(`${path}.new`, pem, { mode: 0o600 });
    await rename(`${path}.new`, path);
  } catch (error) {
    const why = Fault.from(error);
    log.logger("proxy::identity").warn("cannot keep the trust anchors", { path, error: why });
  }
}
