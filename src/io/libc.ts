// The C library, for the few calls that Node does not have. The binding (2 MB) is loaded when the first is asked for.

import { createRequire } from "node:module";

type Call<Args extends readonly unknown[]> = (...args: Args) => number;

let library: { func(prototype: string): unknown } | undefined;

/** The function with this prototype in C; it throws where the library or the function is missing. */
export function libcCall<Args extends readonly unknown[]>(prototype: string): Call<Args> {
  if (library === undefined) {
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    library = koffi.load(null);
  }
  return library.func(prototype) as Call<Args>;
}
