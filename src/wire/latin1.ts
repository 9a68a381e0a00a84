// Bytes as text, one character for each octet, without copying or judging them.

// Node's own, which toString("latin1") comes down to after 25 ns of looking at its arguments; it has no type.
type Sliceable = { latin1Slice(start: number, end: number): string };

/** The octets of `bytes` from `start` to `end` as a string of latin1 characters. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Sliceable).latin1Slice(start, end);
}
