// HTTP/1 clients that the usual load programs are not, as a program of its own:
//   rate IP PORT PATH SECONDS RATE      an open loop: it sends at its times, whatever is still unanswered
//   hold IP PORT PATH COUNT             opens connections, sends one request on each, then keeps them until killed
//   handshake IP PORT PATH SECONDS COUNT NAME FOLDER   a new mutual TLS connection for each request, COUNT at a time
// It prints one line of JSON.

import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { HOST } from "./load.ts";

const [role, host = "", portText, path, ...rest] = process.argv.slice(2);
const port = Number(portText);
const numbers = rest.map(Number);
const request = `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
const last = `GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`;

/** One exchange at a time on one connection; `done` gets the status of each. */
class Exchange {
  socket: Socket;
  sentAt = 0;
  done: (status: number) => void = () => {};
  #head = "";
  #missing = -1;
  #status = 0;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.done(0));
  }

  send(text: string, done: (status: number) => void): void {
    this.done = done;
    this.sentAt = performance.now();
    this.socket.write(text);
  }

  #read(chunk: Buffer): void {
    if (this.#missing < 0) {
      this.#head += chunk.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1] ?? 0);
      this.#missing = length - (this.#head.length - end - 4);
      this.#status = Number(this.#head.slice(9, 12));
      this.#head = "";
    } else this.#missing -= chunk.length;
    if (this.#missing > 0) return;
    this.#missing = -1;
    const done = this.done;
    this.done = () => {};
    done(this.#status);
  }
}

const dial = (): Exchange => new Exchange(connect({ host, port, noDelay: true }));

await { rate, hold, handshake }[role as "rate" | "hold" | "handshake"]();

/**
 * Latency counts from the sending: as that never waits for an answer, none is left out, and the lateness of this
 * program's own timers is not put on the proxy.
 */
async function rate(): Promise<void> {
  const [seconds = 1, perSecond = 1_000] = numbers;
  const free: Exchange[] = [];
  const latencies: number[] = [];
  const started = performance.now();
  let [sent, answered, errors] = [0, 0, 0];
  await new Promise<void>((finish) => {
    const timer = setInterval(() => {
      const due = Math.min((performance.now() - started) / 1_000, seconds) * perSecond;
      for (; sent < due; sent++) {
        const exchange = free.pop() ?? dial();
        exchange.send(request, (status) => {
          answered++;
          if (status === 200) latencies.push(performance.now() - exchange.sentAt);
          else errors++;
          if (!exchange.socket.destroyed) free.push(exchange);
          if (answered === sent && sent >= seconds * perSecond) finish();
        });
      }
      if (sent >= seconds * perSecond) clearInterval(timer);
    }, 1);
    setTimeout(finish, seconds * 1_000 + 2_000);
  });
  latencies.sort((a, b) => a - b);
  const us = (p: number): number => 1_000 * (latencies[Math.floor(latencies.length * p)] ?? NaN);
  report({
    units: answered,
    errors: errors + sent - answered,
    seconds,
    p50: us(0.5),
    p99: us(0.99),
    p999: us(0.999),
  });
}

async function hold(): Promise<void> {
  const [count = 1_000] = numbers;
  let errors = 0;
  for (let n = 0; n < count; n++) {
    const exchange = dial();
    await new Promise<void>((done) => {
      exchange.send(request, (status) => {
        if (status !== 200) errors++;
        done();
      });
    });
  }
  console.log(JSON.stringify({ units: count, errors, seconds: 0 }));
  setInterval(() => {}, 60_000);
}

async function handshake(): Promise<void> {
  const [seconds = 1, count = 8] = numbers;
  const [, , servername = "", folder = ""] = rest;
  const file = (name: string): Buffer => readFileSync(`${folder}/${name}`);
  const identity = { ca: file("ca.crt"), cert: file("tls.crt"), key: file("tls.key") };
  const started = performance.now();
  const over = (): boolean => performance.now() - started > seconds * 1_000;
  let [units, errors] = [0, 0];
  const one = (): Promise<number> =>
    new Promise((done) => {
      const socket = connectTls({
        host,
        port,
        servername,
        ...identity,
        minVersion: "TLSv1.3",
        checkServerIdentity: () => undefined,
      });
      const exchange = new Exchange(socket);
      exchange.send(last, (status) => {
        socket.destroy();
        done(status);
      });
    });
  const lane = async (): Promise<void> => {
    while (!over()) {
      if ((await one()) === 200) units++;
      else errors++;
    }
  };
  await Promise.all(Array.from({ length: count }, lane));
  report({ units, errors, seconds: (performance.now() - started) / 1_000 });
}

function report(result: object): void {
  console.log(JSON.stringify(result));
  process.exit(0);
}
