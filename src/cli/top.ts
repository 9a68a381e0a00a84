// The verb `linkerd viz top`: the calls of a resource, added up, the busiest first.

import type { TapCall } from "../viz/calls.ts";
import { Calls } from "../viz/calls.ts";
import { systemClock } from "../base/clock.ts";
import { command } from "./command.ts";
import { toggle } from "./flag.ts";
import { percent, shortDuration } from "./format.ts";
import { findMesh } from "./mesh.ts";
import { openScreen } from "./screen.ts";
import type { Column } from "./table.ts";
import { left, printTable, right } from "./table.ts";
import { TAP_FLAGS, tapRequest } from "./tap.ts";
import { namespaceOf } from "./vizflags.ts";

export const top = command({
  name: "top",
  summary: "Show the calls of a resource, added up live",
  usage: "RESOURCE",
  details: `q or Ctrl-C ends it; the arrow keys (or a and d) move it sideways. Without a terminal, a table is printed
every few seconds.`,
  examples: [
    ["What is asked of a deployment, and what it asks", "viz top deploy/web -n test"],
    ["By route, whoever calls", "viz top deploy/web -n test --routes --hide-sources"],
  ],
  args: [1, 2],
  offers: "resource",
  flags: {
    ...TAP_FLAGS,
    hideSources: toggle("Add up all sources"),
    routes: toggle("Show the route of each call"),
  },
  run: async ({ args, flags, globals, terminal }) => {
    const mesh = await findMesh(globals, terminal.env);
    const request = tapRequest(args, flags, namespaceOf(flags, mesh), false);
    const board = new TopBoard(flags.hideSources, flags.routes);
    const calls = new Calls();
    const screen = openScreen(terminal);
    const timer = systemClock.every(terminal.live ? 100 : 2000, () => {
      screen.draw(KEYS, board.print());
    });
    terminal.scope.defer(() => {
      timer.cancel();
      screen.close();
    });
    await mesh.tap(
      request,
      (event) => {
        const call = calls.add(event);
        if (call) board.add(call);
      },
      terminal.scope,
    );
  },
});

const KEYS = `(press q to quit)
(press a/LeftArrowKey to scroll left, d/RightArrowKey to scroll right)`;

const MOST_LINES = 1000;

type Line = {
  readonly call: TapCall;
  count: number;
  good: number;
  best: number;
  worst: number;
  last: number;
};

/** Calls by source, destination, method and path. */
export class TopBoard {
  readonly #lines = new Map<string, Line>();
  readonly #columns: readonly Column<Line>[];
  readonly #keyOf: (call: TapCall) => string;

  constructor(hideSources: boolean, showRoutes: boolean) {
    const route = (call: TapCall): string => call.routeLabels["route"] ?? "[DEFAULT]";
    const source = (call: TapCall): string => call.sourceLabels["pod"] || call.source;
    const destination = (call: TapCall): string =>
      call.destinationLabels["pod"] || call.destination;
    this.#keyOf = (call) =>
      [
        hideSources ? "" : source(call),
        destination(call),
        call.method,
        showRoutes ? route(call) : pathOf(call),
      ].join("\0");
    this.#columns = [
      ...(hideSources ? [] : [left<Line>("Source", ({ call }) => clip(source(call), 23))]),
      left("Destination", ({ call }) => clip(destination(call), 23)),
      left("Method", ({ call }) => call.method),
      ...(showRoutes
        ? [left<Line>("Route", ({ call }) => clip(route(call), 47))]
        : [left<Line>("Path", ({ call }) => pathOf(call))]),
      right("Count", ({ count }) => String(count)),
      right("Best", ({ best }) => shortDuration(best)),
      right("Worst", ({ worst }) => shortDuration(worst)),
      right("Last", ({ last }) => shortDuration(last)),
      right("Success Rate", ({ good, count }) => percent(good / count)),
    ];
  }

  add(call: TapCall): void {
    const key = this.#keyOf(call);
    const fresh = { call, count: 0, good: 0, best: Infinity, worst: 0, last: 0 };
    const line = this.#lines.get(key) ?? fresh;
    line.count++;
    if (call.ok) line.good++;
    line.best = Math.min(line.best, call.latencyMs);
    line.worst = Math.max(line.worst, call.latencyMs);
    line.last = call.latencyMs;
    // What is called goes to the end; where paths have no end, what was not for longest is forgotten.
    this.#lines.delete(key);
    this.#lines.set(key, line);
    if (this.#lines.size > MOST_LINES) this.#lines.delete(this.#lines.keys().next().value!);
  }

  /** The table, the most frequent calls first; "" before the first call. */
  print(): string {
    if (this.#lines.size === 0) return "";
    const lines = [...this.#lines.values()].sort((a, b) => b.count - a.count);
    return printTable(this.#columns, lines);
  }
}

// Queries would make a line of every call.
function pathOf({ path }: TapCall): string {
  return path.split("?")[0]!;
}

function clip(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
