// What the dashboard is told, as JSON: types that its server (page.ts, livetap.ts, web.ts) and its pages (web/) share.
// Nothing but types, so that a browser's build needs nothing of ours.

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
    /** Requests a second of the last minutes, oldest first, one for `stepMs`. */
    readonly rate: readonly number[];
  };

/** What calls are protected by: mutual TLS, nothing, or some calls by one and some by the other. */
export type Security = "mutual" | "none" | "mixed";

export type Call = Golden & {
  readonly src: Id;
  readonly dst: Id;
  readonly open: number;
  readonly security: Security;
};

/** The picture of the mesh: /api/live. */
export type Live = {
  /** Milliseconds since 1970. */
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

/** One finished call: /api/tap. */
export type LiveCall = {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: "inbound" | "outbound";
  /** "deploy/web", or an address when the mesh does not know it. */
  readonly source: string;
  readonly destination: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly tls: boolean;
  /** 0 when it was reset before a response. */
  readonly status: number;
  readonly grpcStatus: number | undefined;
  readonly ok: boolean;
  readonly latencyMs: number;
};

/** A route of a workload: /api/route-rows. */
export type Route = Golden & {
  readonly route: string;
  readonly service: string;
  /** What was sent for it, retries included; outbound only. */
  readonly actualSuccess: number | null;
  readonly actualRps: number | null;
};
