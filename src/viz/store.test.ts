// The embedded store against what a Prometheus would answer: growth, gauges, quantiles, and what it forgets.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PRESENT, quantile } from "./metrics.ts";
import { Store } from "./store.ts";
import { parseLabels, parseText } from "./text.ts";

const requests = (ok: number, bad: number): string =>
  `# TYPE response_total counter
response_total{direction="inbound",classification="success"} ${ok}
response_total{direction="inbound",classification="failure"} ${bad}
`;

const pod = { namespace: "shop", deployment: "cart" };

function scrape(store: Store, ...texts: string[]): void {
  for (const text of texts) {
    store.turn();
    store.take("10.0.0.1", pod, text);
  }
}

test("what was counted before a proxy was first seen is in no window", async () => {
  const store = new Store(1000);
  scrape(store, requests(1000, 7), requests(1004, 8));
  assert.deepEqual(await store.increase("response_total", {}, ["classification"], 60_000), [
    { labels: { classification: "success" }, value: 4 },
    { labels: { classification: "failure" }, value: 1 },
  ]);
});

test("a series that appears later counts from zero", async () => {
  const store = new Store(1000);
  scrape(store, "", requests(3, 0));
  const [group] = await store.increase("response_total", { classification: "success" }, [], 60_000);
  assert.equal(group!.value, 3);
});

test("a restart of the proxy loses nothing and invents nothing", async () => {
  const store = new Store(1000);
  scrape(store, requests(10, 0), requests(15, 0), requests(2, 0), requests(4, 0));
  const [group] = await store.increase("response_total", { classification: "success" }, [], 60_000);
  assert.equal(group!.value, 5 + 2 + 2);
});

test("a window forgets what lies before it, and the ring what lies before that", async () => {
  const store = new Store(1000, 10_000);
  scrape(store, ...Array.from({ length: 40 }, (_, i) => requests(i, 0)));
  const grown = async (windowMs: number): Promise<number> =>
    (await store.increase("response_total", { classification: "success" }, [], windowMs))[0]!.value;
  assert.equal(await grown(5000), 5);
  assert.equal(await grown(60_000), 10);
  assert.equal(store.covered(5000), 5000);
});

test("scrapes that failed leave no old growth behind", async () => {
  const store = new Store(1000, 5000);
  scrape(store, requests(0, 0), requests(8, 0));
  for (let i = 0; i < 4; i++) store.turn();
  scrape(store, requests(9, 0));
  const [group] = await store.increase("response_total", { classification: "success" }, [], 5000);
  assert.equal(group!.value, 1);
});

test("gauges of a proxy that went away count no more", async () => {
  const store = new Store(1000);
  scrape(store, 'tcp_open_connections{peer="src"} 3\n');
  assert.equal((await store.latest("tcp_open_connections", { peer: PRESENT }, []))[0]!.value, 3);
  for (let i = 0; i < 4; i++) store.turn();
  assert.deepEqual(await store.latest("tcp_open_connections", {}, []), []);
});

test("series that nobody has seen for the whole window are forgotten", async () => {
  const store = new Store(1000, 10_000);
  const known = async (): Promise<number> =>
    (await store.increase("response_total", {}, ["classification"], 10_000)).length;
  scrape(store, requests(1, 1));
  assert.equal(await known(), 2);
  for (let i = 0; i < 60; i++) store.turn();
  assert.equal(await known(), 0);
});

test("a proxy has a limit of series, and says so", async () => {
  const store = new Store(1000);
  const lines = Array.from({ length: 100_010 }, (_, i) => `tcp_open_connections{peer="${i}"} 1\n`);
  scrape(store, lines.join(""));
  assert.equal((await store.latest("tcp_open_connections", {}, []))[0]!.value, 100_000);
  assert.match([...(await store.refusals()).values()].join(), /more than 100000 series/);
});

test("quantiles are Prometheus' own: straight lines within a bucket", async () => {
  const store = new Store(1000);
  const buckets = (n: number): string =>
    `response_latency_ms_bucket{le="1"} ${n}
response_latency_ms_bucket{le="10"} ${2 * n}
response_latency_ms_bucket{le="+Inf"} ${2 * n}
`;
  scrape(store, buckets(0), buckets(50));
  const [group] = await store.quantiles(
    "response_latency_ms",
    {},
    [],
    60_000,
    [0.25, 0.5, 0.75, 1],
  );
  assert.deepEqual(group!.values, [0.5, 1, 5.5, 10]);
  assert.ok(Number.isNaN(quantile(0.5, [])));
  assert.equal(
    quantile(0.99, [
      [100, 0],
      [Infinity, 4],
    ]),
    100,
  );
});

test("a quantile lies within the bounds of its buckets and grows with q", () => {
  const histogram = fc.array(fc.nat(100), { minLength: 1, maxLength: 20 }).map((counts) => {
    let sum = 0;
    return counts.map((n, i) => [i + 1, (sum += n)] as const);
  });
  fc.assert(
    fc.property(histogram, fc.double({ min: 0.01, max: 1, noNaN: true }), (buckets, q) => {
      const value = quantile(q, buckets);
      if (buckets.at(-1)![1] === 0) return Number.isNaN(value);
      return value >= 0 && value <= buckets.length && value >= quantile(q / 2, buckets);
    }),
  );
});

test("trends are rates for each step, oldest first", async () => {
  const store = new Store(1000);
  scrape(store, requests(0, 0), requests(2, 0), requests(4, 0), requests(4, 0), requests(10, 0));
  const [group] = await store.trend("response_total", { classification: "success" }, [], 2000, 3);
  assert.deepEqual(group!.values, [0, 2, 3]);
});

test("labels keep every character that an exporter may put there", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z_]\w{0,8}$/), fc.string({ unit: "binary" })),
      (labels) => {
        const text = Object.entries(labels)
          .map(
            ([k, v]) => `${k}="${v.replace(/[\\"\n]/g, (c) => (c === "\n" ? "\\n" : `\\${c}`))}"`,
          )
          .join(",");
        assert.deepEqual(parseLabels(text), { ...labels });
        const seen: unknown[] = [];
        parseText(
          `x{${text}} 4 1700000000\n`,
          () => true,
          (family, _, value, read) => seen.push([family, value, read()]),
        );
        assert.deepEqual(seen, [["x", 4, { ...labels }]]);
      },
    ),
    { numRuns: 30 },
  );
});
