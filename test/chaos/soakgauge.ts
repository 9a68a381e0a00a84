// The memory of a process over time: what the kernel counts, and what V8 has left after it collected all of its heap.

import type { ChildProcess } from "node:child_process";
import { rssMb } from "../mesh/mesh.ts";

type Sample = { readonly second: number; readonly mb: number };

export class Gauge {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #warmS: number;
  readonly #rss: Sample[] = [];
  readonly #heap: Sample[] = [];
  #second = 0;

  /** Reads what the process prints by `--trace-gc`; what is before `warmS` seconds is the measure for what follows. */
  constructor(name: string, child: ChildProcess, warmS: number) {
    this.name = name;
    this.#child = child;
    this.#warmS = warmS;
    child.stdout!.on("data", (text: string) => {
      for (const [, mb] of text.matchAll(/Mark-Compact[^>]*-> ([\d.]+)/g))
        this.#heap.push({ second: this.#second, mb: Number(mb) });
    });
  }

  /** Notes what the process has in memory at this second of the run. */
  sample(second: number): void {
    this.#second = second;
    try {
      this.#rss.push({ second, mb: rssMb(this.#child.pid!) });
    } catch {
      // It has just ended.
    }
  }

  /** By how much it has become more since it is warm: medians, for single samples are chance. */
  growth(): { rssMb: number; heapMb: number } {
    return { rssMb: this.#growth(this.#rss), heapMb: this.#growth(this.#heap) };
  }

  summary(): string {
    const of = (samples: readonly Sample[]): string =>
      this.#parts(samples)
        .map((part) => median(part).toFixed(1))
        .join(" → ");
    return `${this.name}: RSS ${of(this.#rss)} MB, heap ${of(this.#heap)} MB (${this.#heap.length} collections)`;
  }

  #growth(samples: readonly Sample[]): number {
    const parts = this.#parts(samples);
    return median(parts.at(-1)!) - median(parts[0]!);
  }

  /** The samples about the time it got warm, of the middle, and of the end, each as long as the time to get warm. */
  #parts(samples: readonly Sample[]): Sample[][] {
    const span = this.#warmS / 2;
    return [this.#warmS + span, (this.#warmS + span + this.#second) / 2, this.#second].map((to) =>
      samples.filter(({ second }) => second > to - span && second <= to),
    );
  }
}

function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ mb }) => mb).sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}
