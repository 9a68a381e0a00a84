// Steady load on a service, and when what of it failed.

export type Load = {
  /** Requests that have ended. */
  readonly total: number;
  /** Failures, by `performance.now()`. */
  readonly failures: readonly { readonly at: number; readonly why: string }[];
  stop(): Promise<void>;
};

/** Asks `url` from `workers` sides at once, each again after a short pause. */
export function load(url: string, workers = 8, pauseMs = 10): Load {
  const failures: { at: number; why: string }[] = [];
  let total = 0;
  let isOver = false;
  const work = async (): Promise<void> => {
    while (!isOver) {
      const why = await ask(url);
      total += 1;
      if (why !== undefined) failures.push({ at: performance.now(), why });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const working = Promise.all(Array.from({ length: workers }, work));
  return {
    get total() {
      return total;
    },
    failures,
    stop: async () => {
      isOver = true;
      await working;
    },
  };
}

async function ask(url: string): Promise<string | undefined> {
  try {
    const rsp = await fetch(url, { signal: AbortSignal.timeout(5000) });
    const text = await rsp.text();
    return rsp.ok ? undefined : `${rsp.status} ${rsp.headers.get("l5d-proxy-error") ?? text}`;
  } catch (error) {
    return String(error);
  }
}
