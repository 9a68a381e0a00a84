// Many names whose endpoints change all the time: a folder for the fs namer, the backends that its files name, a hand
// that rewrites one file after the other, and clients that ask for all names and remember what failed.

import { once } from "node:events";
import { renameSync, writeFileSync } from "node:fs";
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { seededRandom } from "../../src/base/random.ts";

/** A name has so many endpoints at a time, of twice as many backends. */
const ENDPOINTS = 10;
const WORD = "half";

export class Churn {
  readonly names: readonly string[];
  answered = 0;
  /** The first requests that were not answered in full. */
  readonly failures: string[] = [];
  readonly #folder: string;
  readonly #backends: readonly Server[];
  readonly #random = seededRandom(1);
  #changes = 0;

  /** Writes a file for each of `count` names into `folder`. */
  static async start(t: TestContext, folder: string, count: number): Promise<Churn> {
    const backends: Server[] = [];
    for (let n = 0; n < 2 * ENDPOINTS; n++) {
      // In two halves with a pause between, so that some are cut if connections are.
      const server = createServer({ keepAliveTimeout: 600_000 }, (req, rsp) => {
        rsp.write(WORD);
        if (req.url === "/slow") setTimeout(() => rsp.end(WORD), 50);
        else rsp.end(WORD);
      });
      server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 });
      await once(server, "listening");
      t.after(() => (server.closeAllConnections(), server.close()));
      backends.push(server);
    }
    const churn = new Churn(folder, backends, count);
    for (const name of churn.names) churn.write(name);
    return churn;
  }

  private constructor(folder: string, backends: readonly Server[], count: number) {
    this.#folder = folder;
    this.#backends = backends;
    this.names = Array.from({ length: count }, (_, n) => `web${n}`);
  }

  /** Gives a name ten of the backends from `first` on; in place or, as careful writers do, by a new file. */
  write(name: string, first = this.#random.below(2 * ENDPOINTS)): void {
    const all = this.#backends;
    const some = Array.from({ length: ENDPOINTS }, (_, n) => all[(first + n) % all.length]!);
    const lines = some.map((one) => `127.0.0.1 ${(one.address() as AddressInfo).port}\n`).join("");
    const path = join(this.#folder, name);
    if (this.#random.next() < 0.5) return writeFileSync(path, lines);
    writeFileSync(`${path}.new`, lines);
    renameSync(`${path}.new`, path);
  }

  /** Changes `perSecond` names a second, one after the other. */
  async change(perSecond: number, seconds: number): Promise<void> {
    const started = performance.now();
    const until = (ms: number): Promise<void> =>
      sleep(Math.max(0, started + ms - performance.now()));
    for (let done = 0; done < perSecond * seconds; done++) {
      await until((1_000 * done) / perSecond);
      this.write(this.names[this.#changes++ % this.names.length]!);
    }
    await until(1_000 * seconds);
  }

  /** Asks `port` for each name once, a few at a time. */
  async askAll(port: number): Promise<void> {
    const left = [...this.names];
    const lane = async (): Promise<void> => {
      for (let name = left.pop(); name !== undefined; name = left.pop())
        await this.#ask(port, name, "/", false);
    };
    await Promise.all(Array.from({ length: 20 }, lane));
  }

  /** Asks `port` for names by chance on `lanes` connections, until `over`. */
  async load(port: number, lanes: number, over: () => boolean): Promise<void> {
    const agent = new Agent({ keepAlive: true });
    const lane = async (): Promise<void> => {
      while (!over()) {
        const name = this.names[this.#random.below(this.names.length)]!;
        await this.#ask(port, name, this.#random.next() < 0.1 ? "/slow" : "/", agent);
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    agent.destroy();
  }

  /** The connections that each backend has. */
  connections(): Promise<number[]> {
    const count = (server: Server): Promise<number> =>
      new Promise((resolve, reject) =>
        server.getConnections((error, found) => (error ? reject(error) : resolve(found))),
      );
    return Promise.all(this.#backends.map(count));
  }

  async #ask(port: number, name: string, path: string, agent: Agent | false): Promise<void> {
    const req = request({ host: "127.0.0.1", port, path, agent, headers: { host: name } });
    req.end();
    try {
      const [rsp] = await once(req, "response");
      const body = await text(rsp);
      if (rsp.statusCode === 200 && body === WORD + WORD) this.answered++;
      else this.#failed(`${name}${path}: ${rsp.statusCode} ${body}`);
    } catch (error) {
      this.#failed(`${name}${path}: ${(error as Error).message}`);
    }
  }

  #failed(what: string): void {
    if (this.failures.length < 10) this.failures.push(what);
  }
}

/** The lines of a linkerd.yaml that routes by the names in `folder`. */
export const churnConfig = (folder: string, port: number): string => `
namers: [{kind: io.l5d.fs, rootDir: ${folder}}]
routers:
- protocol: http
  dtab: /svc => /#/io.l5d.fs
  servers: [{port: ${port}}]
`;
