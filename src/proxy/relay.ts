// What the first thread knows, told to the others: they have no client of the control plane of their own, so that it
// has one sidecar to talk to, however many threads that has. Addresses travel as changes, since an address that is the
// same value keeps its connections.

import { Cache } from "../base/cache.ts";
import type { Clock } from "../base/clock.ts";
import type { Scope } from "../base/scope.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { SocketAddr } from "../io/conn.ts";
import { printAddr } from "../stack/normalize.ts";
import type { Discovery } from "./discover.ts";
import { hear, tell, type Link, type Told } from "./link.ts";
import type { Address, AddressSet, InboundPolicy, OutboundPolicy, Profile } from "./policy.ts";
import type { Answer } from "./subscription.ts";

type Changes = {
  readonly exists: boolean;
  readonly put: readonly (readonly [string, Address])[];
  readonly gone: readonly string[];
};
type Tell<T> = (key: string, answer: (told: Told<Answer<T>>) => void) => Close;

export type DiscoveryTopics = {
  readonly policy: Tell<OutboundPolicy>;
  readonly profile: Tell<Profile>;
  readonly endpoints: Tell<Changes>;
  readonly server: Tell<InboundPolicy>;
};

/** What other threads may ask of `discover`. */
export function discoveryTopics(discover: Discovery): DiscoveryTopics {
  const asIs = <T>(value: T): T => value;
  return {
    policy: (key, answer) => tell(discover.outboundPolicy(key), answer, asIs),
    profile: (key, answer) => tell(discover.profile(key), answer, asIs),
    endpoints: (key, answer) => tell(discover.endpoints(key), answer, changesOf),
    server: (key, answer) => tell(discover.inboundPolicy(Number(key)), answer, asIs),
  };
}

type Topic = keyof DiscoveryTopics;
type Heard = {
  busy: boolean;
  watch: Watch<Answer<unknown>> | undefined;
  close(): void;
};

/** What the first thread knows, as this thread hears it. */
export class RelayedDiscovery implements Discovery {
  readonly #link: Link<DiscoveryTopics>;
  readonly #heard: Cache<`${Topic} ${string}`, Heard>;

  constructor(
    link: Link<DiscoveryTopics>,
    options: { clock: Clock; scope: Scope; idleMs: number },
  ) {
    this.#link = link;
    this.#heard = new Cache(() => ({ busy: false, watch: undefined, close() {} }), options);
  }

  outboundPolicy(target: SocketAddr | string): Watch<Answer<OutboundPolicy>> {
    return this.#at("policy", typeof target === "string" ? target : printAddr(target));
  }

  profile(target: SocketAddr | string): Watch<Answer<Profile>> {
    return this.#at("profile", typeof target === "string" ? target : printAddr(target));
  }

  endpoints(path: string): Watch<Answer<AddressSet>> {
    return this.#at<AddressSet, Changes>("endpoints", path, withChanges);
  }

  inboundPolicy(port: number): Watch<Answer<InboundPolicy>> {
    return this.#at("server", String(port));
  }

  // One watch for all who look, so that whoever looks later knows at once what the others know.
  #at<T, Encoded = T>(
    topic: Topic,
    key: string,
    decode: (value: Answer<Encoded>, before: Answer<T> | undefined) => Answer<T> = (value) =>
      value as Answer<never>,
  ): Watch<Answer<T>> {
    const heard = this.#heard.at(`${topic} ${key}`);
    heard.watch ??= hear<Answer<T>, Answer<Encoded>>((answer) => {
      heard.busy = true;
      const close = this.#link.ask(topic, key, answer as never);
      return () => {
        heard.busy = false;
        close();
      };
    }, decode);
    return heard.watch as Watch<Answer<T>>;
  }
}

function changesOf(
  answer: Answer<AddressSet>,
  before: Answer<AddressSet> | undefined,
): Answer<Changes> {
  if (!answer.exists) return answer;
  const { exists, addresses } = answer.value;
  const old = before?.exists ? before.value.addresses : undefined;
  const put = [...addresses].filter(([key, address]) => old?.get(key) !== address);
  const gone = [...(old?.keys() ?? [])].filter((key) => !addresses.has(key));
  return { exists: true, value: { exists, put, gone } };
}

function withChanges(
  answer: Answer<Changes>,
  before: Answer<AddressSet> | undefined,
): Answer<AddressSet> {
  if (!answer.exists) return answer;
  const { exists, put, gone } = answer.value;
  const addresses = new Map(before?.exists ? before.value.addresses : []);
  for (const key of gone) addresses.delete(key);
  for (const [key, address] of put) addresses.set(key, address);
  return { exists: true, value: { exists, addresses } };
}
