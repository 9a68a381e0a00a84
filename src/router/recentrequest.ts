// One of the latest requests as `/requests.json` tells it: a type that the admin pages and the dashboard share.

export type RecentRequest = {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly source: string;
  readonly server: string;
  readonly router: string;
  /** Method and path. */
  readonly request: string;
  readonly service: string;
  readonly client: string;
  readonly destination: string;
  readonly status: number;
  readonly tookMs: number;
};
