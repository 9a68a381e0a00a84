// Our identity and the clients of the control plane, which need each other: the identity service is called
// before there is a certificate, knowing us by our token; all others are called with it.

import type { Clock } from "../base/clock.ts";
import { log } from "../base/log.ts";
import type { Registry } from "../base/metrics.ts";
import type { Random } from "../base/random.ts";
import type { Scope } from "../base/scope.ts";
import { combine, type Watch } from "../base/watch.ts";
import type { Credentials } from "../io/tls.ts";
import { watchAnchors } from "./anchors.ts";
import { certifyBy } from "./certify.ts";
import { controlService, openCalls, type ControlOptions } from "./controlclient.ts";
import type { OpenCall } from "./discover.ts";
import type { Settings } from "./env.ts";
import { Identity, type Certificate } from "./identity.ts";
import { watchTrust } from "./trust.ts";
import type { HostPort } from "./settingtypes.ts";

export type IdentifyOptions = {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly registry: Registry;
  readonly scope: Scope;
};

export type Identified = {
  readonly credentials: Watch<Credentials>;
  readonly destination: OpenCall;
  readonly policy: OpenCall;
};

type Service = { readonly svcAddr: HostPort | undefined; readonly svcName: string | undefined };

/** Starts to ask for an identity; the control plane is called with it as soon as it is there. */
export async function identify(parts: IdentifyOptions): Promise<Identified> {
  const { settings, clock, scope } = parts;
  const { identity, destination, policy } = settings;
  const name = identity.serverId ?? identity.localName!;
  let current: Credentials | undefined;
  let bootstrap: Credentials | undefined;
  const options = (topic: string, { svcAddr, svcName }: Service): ControlOptions => ({
    ...parts,
    topic,
    addr: svcAddr!,
    name: svcName,
    credentials: () => current ?? bootstrap,
  });
  const spire = identity.spireAddr ?? identity.spireSocket;
  const issuing = spire ? undefined : bindIdentity(name, options("identity", identity), parts);
  const anchors = watchAnchors(settings, issuing?.told, clock);
  scope.defer(
    anchors.each((rootsPem) => (bootstrap = { name, certPem: "", keyPem: "", rootsPem })),
  );
  const certificate = issuing
    ? issuing.start()
    : // Loaded where it is used, which is outside of Kubernetes.
      (await import("./spire.ts")).watchSvid(spire!, clock, parts.random);
  const credentials = combine<[string, Certificate]>([anchors, certificate]).map(
    ([roots, { certPem, keyPem }]): Credentials => ({ name, certPem, keyPem, rootsPem: roots }),
  );
  scope.defer(credentials.each((value) => (current = value)));

  const calls = (topic: string, service: Service): OpenCall => {
    const own = options(topic, service);
    return openCalls(controlService(own), own);
  };
  return {
    credentials,
    destination: calls("destination", destination),
    policy: calls("policy", policy),
  };
}

// What the identity service has for us: whom to trust, and our certificate once it is started.
function bindIdentity(name: string, control: ControlOptions, parts: IdentifyOptions) {
  const { settings, clock, random, registry, scope } = parts;
  const { dir, tokenFile, minRefreshMs, maxRefreshMs } = settings.identity;
  const service = controlService(control);
  const told = watchTrust(openCalls(service, control), parts);
  const start = (): Watch<Certificate> => {
    const identity = new Identity({
      name,
      dir,
      tokenFile: tokenFile!,
      certify: certifyBy(service, control),
      minRefreshMs,
      maxRefreshMs,
      clock,
      random,
      registry,
      logger: log.logger("proxy::identity"),
    });
    scope.defer(() => identity.close());
    scope.defer(told.each((answer) => answer.exists && identity.expect(answer.value.issuer)));
    return identity.certificate;
  };
  return { told, start };
}
