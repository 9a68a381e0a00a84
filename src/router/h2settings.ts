// The HTTP/2 settings of a file as those of io, and what stands for them where a router of HTTP/1 meets HTTP/2.

import type { Clock } from "../base/clock.ts";
import type { H2Options } from "../io/h2link.ts";
import type { ClientPolicy, ServerConfig } from "./routerconfig.ts";

/** How the HTTP/2 connections of a server or a client are run. */
export function h2OptionsOf(config: ServerConfig | ClientPolicy, clock: Clock): H2Options {
  if (!("initialStreamWindowBytes" in config)) return { clock };
  const { initialStreamWindowBytes, maxFrameBytes, maxHeaderListBytes } = config;
  return {
    clock,
    streamWindowBytes: initialStreamWindowBytes,
    maxFrameBytes,
    ...(maxHeaderListBytes === undefined ? {} : { maxHeaderListBytes }),
    ...("maxConcurrentStreamsPerConnection" in config
      ? { maxConcurrentStreams: config.maxConcurrentStreamsPerConnection }
      : {}),
  };
}
