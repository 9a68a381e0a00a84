// The live picture of the mesh, shared by all pages: one stream, however many parts of the page look at it.

import { useEffect, useState } from "preact/hooks";
import type { Live } from "../src/viz/live.ts";
import { stream } from "./api.ts";

type Picture = { readonly live: Live | undefined; readonly connected: boolean };

let picture: Picture = { live: undefined, connected: false };
const observers = new Set<(picture: Picture) => void>();
let close: (() => void) | undefined;

function set(next: Partial<Picture>): void {
  picture = { ...picture, ...next };
  for (const observer of observers) observer(picture);
}

/** The latest picture, redrawn as it changes; undefined before the first. */
export function useLive(): Picture {
  const [state, setState] = useState(picture);
  useEffect(() => {
    observers.add(setState);
    close ??= stream<Live>(
      "live",
      {},
      (live) => set({ live, connected: true }),
      (open) => set({ connected: open }),
    );
    setState(picture);
    return () => {
      observers.delete(setState);
    };
  }, []);
  return state;
}
