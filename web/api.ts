// How the dashboard asks its server. What it is told is the types of src/viz/live.ts.

import type { Id, Target } from "../src/viz/live.ts";

/** The parts of an id. */
export function partsOf(id: Id): Target {
  const [kind = "", namespace = "", ...name] = id.split("/");
  return { kind, namespace, name: name.join("/") };
}

export async function ask<T>(path: string, query: Readonly<Record<string, string>>): Promise<T> {
  const rsp = await fetch(`/api/${path}?${new URLSearchParams(query)}`);
  if (!rsp.ok) throw new Error(((await rsp.json()) as { error?: string }).error ?? rsp.statusText);
  return (await rsp.json()) as T;
}

const RETRY_MS = 3000;

/** Server-sent events of a kind as parsed JSON; `state` is told whether the stream is open. Returns what ends it. */
export function stream<T>(
  path: string,
  query: Readonly<Record<string, string>>,
  event: (value: T) => void,
  state: (open: boolean, complaint?: string) => void,
): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): void => {
    source = new EventSource(`/api/${path}?${new URLSearchParams(query)}`);
    source.onopen = () => state(true);
    source.onerror = () => {
      state(false);
      // A browser asks again by itself, but not whoever answered with a refusal, as what stands in between does.
      if (source.readyState === EventSource.CLOSED) timer = setTimeout(open, RETRY_MS);
    };
    source.onmessage = ({ data }) => event(JSON.parse(data as string) as T);
    source.addEventListener("complaint", ({ data }) =>
      state(false, JSON.parse(data as string) as string),
    );
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
