// What this build calls itself: the tag of its images.

import { VERSION } from "../proxy/version.ts";

/** "ts-0.1.0" */
export const BUILD = `ts-${VERSION}`;
