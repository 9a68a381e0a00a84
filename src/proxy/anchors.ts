// The trust anchors: from the environment, or from a file that is watched, so that roots can be changed without a
// restart. A file that goes away or is empty keeps the last good roots.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { constant, type Watch } from "../base/watch.ts";
import { watchFile } from "../name/file.ts";
import type { Settings } from "./env.ts";

/** PEM of the trust anchors. */
export function watchAnchors({ identity, own }: Settings, clock: Clock): Watch<string> {
  const { trustAnchorsFile: file } = own;
  if (file === undefined) return constant(identity.trustAnchors!);
  return watchFile(file, clock).map((text) => {
    if (text?.includes("-----BEGIN CERTIFICATE-----")) return text;
    throw new Fault("not-found", `${file} has no certificates in PEM`);
  });
}
