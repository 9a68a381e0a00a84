// Questions across threads: each end of a port offers topics, and the other end asks one and hears answers, one or many,
// until it no longer listens. What passes is copied, so it has to be data.

import type { MessagePort, Worker } from "node:worker_threads";
import { Fault, type FaultCode } from "../base/fault.ts";
import { known, source, type Close, type State, type Watch } from "../base/watch.ts";

/** What an end offers: gets what the question is about and what takes answers; returns what ends them. */
export type Topics = Readonly<
  Record<string, (about: never, answer: (value: unknown) => void) => Close | void>
>;

type Message =
  | { readonly kind: "ask"; readonly id: number; readonly topic: string; readonly about: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "close"; readonly id: number };
/** What a topic is asked about. */
export type About<T> = T extends (about: infer A, answer: never) => unknown ? A : never;
/** What a topic answers. */
export type Answer<T> = T extends (about: never, answer: (value: infer V) => void) => unknown
  ? V
  : never;

export class Link<Theirs extends Topics> {
  readonly #port: MessagePort | Worker;
  readonly #own: Topics;
  readonly #listening = new Map<number, (value: never) => void>();
  readonly #answering = new Map<number, Close>();
  #asked = 0;

  constructor(port: MessagePort | Worker, own: Topics) {
    this.#port = port;
    this.#own = own;
    port.on("message", (message: Message) => this.#heard(message));
  }

  /** Asks; `answer` is called for each answer until closed. */
  ask<K extends keyof Theirs & string>(
    topic: K,
    about: About<Theirs[K]>,
    answer: (value: Answer<Theirs[K]>) => void,
  ): Close {
    const id = (this.#asked += 1);
    this.#listening.set(id, answer);
    this.#send({ kind: "ask", id, topic, about });
    return () => {
      if (this.#listening.delete(id)) this.#send({ kind: "close", id });
    };
  }

  /** Asks for one answer. */
  once<K extends keyof Theirs & string>(
    topic: K,
    about: About<Theirs[K]>,
  ): Promise<Answer<Theirs[K]>> {
    return new Promise((resolve) => {
      const close = this.ask(topic, about, (value) => {
        resolve(value);
        close();
      });
    });
  }

  /** Ends all answers, since nobody is at the other end any more. */
  close(): void {
    for (const close of this.#answering.values()) close();
    this.#answering.clear();
  }

  #send(message: Message): void {
    this.#port.postMessage(message, []);
  }

  #heard(message: Message): void {
    const { kind, id } = message;
    if (kind === "answer") return this.#listening.get(id)?.(message.value as never);
    if (kind === "close") {
      this.#answering.get(id)?.();
      this.#answering.delete(id);
      return;
    }
    const answer = (value: unknown): void => this.#send({ kind: "answer", id, value });
    const close = this.#own[message.topic]!(message.about as never, answer);
    if (close) this.#answering.set(id, close);
  }
}

/** What is said of a watch: a value that has changed, and the fault of a failed one. */
export type Told<T> = {
  readonly value?: T;
  readonly fault?: { readonly code: FaultCode; readonly message: string };
};

/** Tells another thread of `watch`, in the form that `encode` gives a value, knowing the one before. */
export function tell<T, Encoded>(
  watch: Watch<T>,
  answer: (told: Told<Encoded>) => void,
  encode: (value: T, before: T | undefined) => Encoded,
): Close {
  let last: T | undefined;
  return watch.observe((state) => {
    if (state.kind === "pending") return;
    const value = known(state);
    const news = value !== undefined && value !== last ? { value: encode(value, last) } : {};
    last = value ?? last;
    if (state.kind === "ok") return answer(news);
    const { code, message } = state.fault;
    answer({ ...news, fault: { code, message } });
  });
}

/** The watch that another thread tells of; it is asked for while somebody looks. */
export function hear<T, Encoded>(
  ask: (answer: (told: Told<Encoded>) => void) => Close,
  decode: (value: Encoded, before: T | undefined) => T,
): Watch<T> {
  return source<T>((set) => {
    let last: T | undefined;
    return ask(({ value, fault }) => {
      if (value !== undefined) last = decode(value, last);
      set(stateOf(last, fault));
    });
  });
}

function stateOf<T>(last: T | undefined, told: Told<T>["fault"]): State<T> {
  if (told === undefined) return { kind: "ok", value: last! };
  const fault = new Fault(told.code, told.message);
  return last === undefined ? { kind: "failed", fault } : { kind: "failed", fault, last };
}
