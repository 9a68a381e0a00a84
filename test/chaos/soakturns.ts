// Whether the endpoints of the soak come and go as its schedule says: how many requests and connections a workload gets
// for each second for which it has been an endpoint for a while, and how many when it has been none for a while.

/** Seconds until what the control plane is told holds everywhere, and what was under way has ended. */
const SETTLE_S = 3;

type Turn = { isReady: boolean; sinceS: number; served: number };

export class Turns {
  /** How often an endpoint came or went. */
  changes = 0;
  readonly #turns: ReadonlyMap<string, Turn>;
  readonly #sums = { in: { seconds: 0, served: 0 }, out: { seconds: 0, served: 0 } };

  constructor(pods: Iterable<string>) {
    this.#turns = new Map([...pods].map((pod) => [pod, { isReady: true, sinceS: 0, served: 0 }]));
  }

  /** Notes which pods are endpoints from this second on. */
  tell(second: number, ready: ReadonlySet<string>): void {
    for (const [pod, turn] of this.#turns) {
      if (turn.isReady === ready.has(pod)) continue;
      turn.isReady = !turn.isReady;
      turn.sinceS = second;
      this.changes += 1;
    }
  }

  /** The control plane is away or has just come back: what was told has not settled. */
  unsettle(second: number): void {
    for (const turn of this.#turns.values()) turn.sinceS = second;
  }

  /** Counts what a pod has served, of all so far, in the second that is over. */
  count(second: number, pod: string, served: number): void {
    const turn = this.#turns.get(pod)!;
    if (second - turn.sinceS > SETTLE_S) {
      const sum = turn.isReady ? this.#sums.in : this.#sums.out;
      sum.seconds += 1;
      sum.served += served - turn.served;
    }
    turn.served = served;
  }

  /** What was served for each second by those that were endpoints, and by those that were none. */
  rates(): { in: number; out: number } {
    const { in: into, out } = this.#sums;
    return { in: into.served / into.seconds, out: out.served / out.seconds };
  }
}
