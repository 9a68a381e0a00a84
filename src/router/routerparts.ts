// What the parts of a router share: its settings, the two things that tests replace, who binds its names, its metrics,
// its listeners to what it does. Made once for each router of a file by linkerd.ts; a part takes the whole and uses
// what it needs.

import type { Clock } from "../base/clock.ts";
import type { Log, Logger } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { Mount } from "../name/bind.ts";
import type { Network } from "../name/inet.ts";
import type { Interpreter } from "../name/interpreter.ts";
import type { Env } from "../proxy/env.ts";
import type { MetricScope } from "./metrictree.ts";
import type { Plugins } from "./plugin.ts";
import type { RequestRouterConfig } from "./routerconfig.ts";
import type { Serving } from "../proxy/serving.ts";
import type { Telemeter } from "./telemeter.ts";

/** What is one for the whole process, and outlives every change of the file. */
export type Linker = {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly logger: Logger;
  /** The root of all metrics. */
  readonly metrics: MetricScope;
  readonly network: Network;
  /** The environment, for the few settings that Linkerd 1 takes from there. */
  readonly env: Env;
  /** The connections that are being served, for the drain. */
  readonly serving: Serving;
};

/** What is one for a file, and replaced when it changes. */
export type FileParts = Linker & {
  readonly plugins: Plugins;
  /** The file's namers and the built-in ones, in the order in which they are asked. */
  readonly mounts: readonly Mount[];
  readonly telemeters: readonly Telemeter[];
};

export type RouterParts<C = RequestRouterConfig> = FileParts & {
  readonly config: C;
  /** `rt/L`. */
  readonly scope: MetricScope;
  readonly interpreter: Interpreter;
};
