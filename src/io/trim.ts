// Gives back memory that only starting has needed: pages of Node's own program, of which the better half is never run
// again, and what the C library keeps of memory that was freed. What is needed after all comes back from the page cache.
// It says nothing where that cannot be had (other systems, other C libraries).

import { readFileSync } from "node:fs";
import { libcCall } from "./libc.ts";

const DONTNEED = 4;

/** Trims this process; some milliseconds, once. */
export function trimMemory(): void {
  if (process.platform !== "linux") return;
  try {
    const madvise = libcCall<[at: bigint, bytes: bigint, advice: number]>(
      "int madvise(uintptr_t, size_t, int)",
    );
    for (const [from, to] of cleanMappings(readFileSync("/proc/self/smaps", "latin1")))
      madvise(from, to - from, DONTNEED);
    libcCall<[pad: number]>("int malloc_trim(size_t)")(0);
  } catch {
    // It was only thrift.
  }
}

/** The mappings of files that are only read, and of which no page differs from its file. */
function cleanMappings(smaps: string): [bigint, bigint][] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((mapping): [bigint, bigint][] => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ \S+ +\//.exec(mapping) ?? [];
    const isClean = /^Private_Dirty: +0 kB$/m.test(mapping);
    return from !== undefined && isClean ? [[BigInt(`0x${from}`), BigInt(`0x${to}`)]] : [];
  });
}
