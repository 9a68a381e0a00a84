// Pages of several registries as one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "./clock.ts";
import { Registry } from "./metrics.ts";
import { sumPages } from "./sumpages.ts";

function registry(requests: number, endpoints: number, path: string): Registry {
  const made = new Registry(new VirtualClock());
  made.counter("request_total", "Requests.").with({ path }).add(requests);
  made.gauge("balancer_endpoints", "Endpoints.").with({}).set(endpoints);
  const took = made.histogram("took_ms", "Times.", [1, 10]).with({});
  for (let i = 0; i < requests; i++) took.observe(i * 4);
  return made;
}

test("pages add up, by series; what all know alike is told once", () => {
  const same = 'a "b" \\ c';
  const pages = [registry(2, 3, same), registry(3, 2, same), registry(1, 1, "/other")];
  pages[1]!.counter("only_here_total", "One.").with({}).add(1e21);
  const sum = sumPages(
    pages.map((page) => page.print()),
    (family) => family === "balancer_endpoints",
  );
  const alone = new Registry(new VirtualClock());
  const request = alone.counter("request_total", "Requests.");
  request.with({ path: same }).add(5);
  request.with({ path: "/other" }).add(1);
  alone.gauge("balancer_endpoints", "Endpoints.").with({}).set(3);
  alone.counter("only_here_total", "One.").with({}).add(1e21);
  const took = alone.histogram("took_ms", "Times.", [1, 10]).with({});
  for (const value of [0, 4, 0, 4, 8, 0]) took.observe(value);
  assert.equal(sum, alone.print());
});

test("one page is as it is", () => {
  const page = registry(1, 1, "/").print();
  assert.equal(
    sumPages([page], () => false),
    page,
  );
});
