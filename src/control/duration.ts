// Milliseconds as google.protobuf.Duration.

/** `ms` as seconds and nanoseconds. */
export function duration(ms: number): { seconds: bigint; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1e6) };
}
