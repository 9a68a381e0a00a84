// What the dashboard's server answers: the shapes of /api/live, /api/history and /api/tap, and how to ask.
// `src/viz/page.ts` writes them; a change here is a change there.

/** "deployment/emojivoto/web" */
export type Id = string;

/** What an id names. */
export type Target = { readonly namespace: string; readonly kind: string; readonly name: string };

/** Shares and numbers of the window; null without requests. */
export type Golden = {
  readonly success: number | null;
  readonly rps: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
};

export type Workload = Target &
  Golden & {
    readonly id: Id;
    readonly pods: { readonly meshed: number; readonly total: number; readonly failed: number };
    readonly open: number | null;
    readonly readRate: number | null;
    readonly writeRate: number | null;
    /** Requests a second and success share of the last minutes, oldest first, one for `stepMs`. */
    readonly rate: readonly number[];
    readonly past: readonly (number | null)[];
  };

export type Call = Golden & {
  readonly src: Id;
  readonly dst: Id;
  readonly open: number;
  readonly security: "mutual" | "none" | "mixed";
};

export type Live = {
  readonly at: number;
  readonly windowMs: number;
  readonly stepMs: number;
  readonly version: string;
  readonly workloads: readonly Workload[];
  readonly calls: readonly Call[];
};

/** The past of one workload: seconds since 1970 and a number or null for each. */
export type History = {
  readonly at: readonly number[];
  readonly rps: readonly number[];
  readonly success: readonly (number | null)[];
  readonly p50: readonly (number | null)[];
  readonly p95: readonly (number | null)[];
  readonly p99: readonly (number | null)[];
};

/** One finished call, put together from its tap events. */
export type TapCall = {
  readonly at: number;
  readonly direction: "inbound" | "outbound";
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly route: string;
  readonly tls: boolean;
  readonly status: number;
  readonly grpcStatus: number | null;
  readonly ok: boolean;
  readonly latencyMs: number;
};

export type Route = Golden & {
  readonly route: string;
  readonly service: string;
  /** What was sent for it, retries included; outbound only. */
  readonly actualSuccess: number | null;
  readonly actualRps: number | null;
};

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
