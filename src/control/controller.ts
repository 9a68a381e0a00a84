// The control plane as a program: destination, policy and identity on gRPC, one port each, and an admin port.
// It keeps nothing but its issuer, so that any number of them may run.

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createHash } from "node:crypto";
import { Identity, Trust } from "../../proto/gen/identity_pb.js";
import type { Clock } from "../base/clock.ts";
import { Registry } from "../base/metrics.ts";
import { Scope } from "../base/scope.ts";
import type { Close, Watch } from "../base/watch.ts";
import type { Conn, SocketAddr } from "../io/conn.ts";
import { serveH2 } from "../io/h2server.ts";
import { listen } from "../io/listen.ts";
import type { Credentials } from "../io/tls.ts";
import type { Resources } from "../platform/resources.ts";
import { identityOf } from "../platform/sidecar.ts";
import type { Server } from "../proxy/serving.ts";
import { Serving } from "../proxy/serving.ts";
import type { Implementation } from "../stack/grpcserver.ts";
import { grpcService, implement } from "../stack/grpcserver.ts";
import { serveAdmin } from "./adminport.ts";
import type { Source } from "./answers.ts";
import { destination } from "./destination.ts";
import { certify, type CertifyOptions } from "./identity.ts";
import type { Issuer } from "./issuer.ts";
import { policy } from "./policy.ts";
import { withRemotes } from "./remotes.ts";
import { ownCredentials, secure } from "./secure.ts";
import { writeStatuses } from "./statuses.ts";
import type { MeshSettings, World } from "./world.ts";
import { watchWorld } from "./world.ts";

export type ControllerOptions = {
  readonly resources: Resources;
  readonly settings: MeshSettings;
  /** The worlds of other clusters, by their names; default none. */
  readonly remotes?: (cluster: string) => Watch<World>;
  /** Where each service listens; those without an address are not served. */
  readonly listen: {
    readonly destination?: SocketAddr;
    readonly policy?: SocketAddr;
    readonly identity?: SocketAddr;
    readonly admin?: SocketAddr;
  };
  /** Needed for identity; another one takes over when it changes. */
  readonly issuer?: Watch<Issuer>;
  /** How long certificates are good, and how far clocks may be apart; default a day and 20 s. */
  readonly issuance?: { readonly lifetimeMs: number; readonly skewMs: number };
  readonly onCertified?: CertifyOptions["onCertified"];
  /** Whether callers from elsewhere than loopback must speak TLS, to which the issuer certifies us. */
  readonly tls?: boolean;
  /** In place of that, for destination and policy where another process has the issuer. */
  readonly credentials?: Watch<Credentials>;
  /** Whether this one of several replicas writes statuses; always when absent. */
  readonly isLeader?: Watch<boolean>;
  /** What else goes by the resources, until closed. */
  readonly follow?: (world: Watch<World>) => Close;
  /** Where metrics go; default one of its own. */
  readonly registry?: Registry;
  readonly clock: Clock;
};

export interface Controller {
  /** Tells all clients to go elsewhere, and closes after `graceMs` at the latest. */
  close(graceMs?: number): Promise<void>;
}

const GRACE_MS = 3000;
const KEEP_ALIVE_MS = 10_000;

/** Starts what `options.listen` names. Rejects when an address cannot be had. */
export async function startController(options: ControllerOptions): Promise<Controller> {
  const { resources, settings, clock, issuer, listen: at } = options;
  const { registry = new Registry(clock) } = options;
  const scope = new Scope();
  const serving = new Serving();
  // Streams and connections come and go; what is known, or was made, stays.
  const kept = <T>(watch: Watch<T>): Watch<T> => {
    scope.defer(watch.observe(() => {}));
    return watch;
  };
  const here = watchWorld(resources, settings, clock);
  const world = kept(options.remotes ? withRemotes(here, options.remotes, clock) : here);
  const own = (account: string): Watch<Credentials> | undefined => {
    if (!options.tls || !issuer) return undefined;
    const name = identityOf(account, settings.controlNamespace, settings);
    return kept(ownCredentials(issuer, name, clock));
  };
  const open = async (
    addr: SocketAddr | undefined,
    implementations: readonly Implementation[],
    credentials: Watch<Credentials> | undefined,
  ): Promise<void> => {
    if (!addr) return;
    const serve = grpc(implementations, credentials, clock);
    const listening = await listen(addr, {}, (conn) => {
      void serving.track(
        conn,
        serve(conn).then((server) => serving.serve(server)),
      );
    });
    scope.defer(() => listening.close());
  };
  try {
    if (at.policy) scope.defer(writeStatuses(world, resources, clock, options.isLeader));
    if (options.follow) scope.defer(options.follow(world));
    const sources = sourcesOf(world, registry);
    const ours = options.credentials ?? own("linkerd-destination");
    await open(at.destination, [destination(sources)], ours);
    await open(at.policy, policy(sources), ours);
    if (issuer) {
      const services = [identity(options, kept(issuer)), trust(issuer)];
      await open(at.identity, services, own("linkerd-identity"));
    }
    if (at.admin) {
      const ready = (): boolean => world.value !== undefined;
      const state = (): object => sizesOf(world.value);
      scope.defer(await serveAdmin(at.admin, { registry, clock, ready, state }));
    }
  } catch (error) {
    await scope.close();
    throw error;
  }
  return {
    close: async (graceMs = GRACE_MS) => {
      await scope.close();
      await serving.drain(graceMs, clock);
    },
  };
}

// Speaks TLS where there are credentials for it.
function grpc(
  implementations: readonly Implementation[],
  credentials: Watch<Credentials> | undefined,
  clock: Clock,
): (conn: Conn) => Promise<Server> {
  const service = grpcService(implementations, { clock });
  return async (conn) => {
    const begun = await secure(conn, await credentials?.next(), clock);
    const h2 = { clock, keepAliveIntervalMs: KEEP_ALIVE_MS };
    return serveH2(begun.conn, service, h2, begun.first);
  };
}

function identity(
  { resources, settings, clock, issuance, onCertified }: ControllerOptions,
  issuer: Watch<Issuer>,
): Implementation {
  return implement(Identity, {
    certify: async (request) => {
      const token = Buffer.from(request.token).toString();
      const signed = await certify(request.identity, token, request.certificateSigningRequest, {
        issuer: await issuer.next(),
        ...issuance,
        ...(onCertified && { onCertified }),
        controlNamespace: settings.controlNamespace,
        trustDomain: settings.trustDomain,
        review: (text, audience) => resources.reviewToken(text, audience),
        clock,
      });
      return {
        leafCertificate: new Uint8Array(signed.leaf),
        intermediateCertificates: signed.intermediates.map((der) => new Uint8Array(der)),
        validUntil: timestampFromMs(signed.validUntilMs),
      };
    },
  });
}

/** Tells proxies whom to trust, as it changes; whoever asks, since it is no secret. */
function trust(issuer: Watch<Issuer>): Implementation {
  return implement(Trust, {
    watch: () => (outlet) =>
      issuer.each(({ anchorsPem, certificate }) => {
        const der = new Uint8Array(certificate.rawData);
        outlet.send({ anchors: anchorsPem, issuer: createHash("sha256").update(der).digest() });
      }),
  });
}

function sourcesOf(world: Source["world"], registry: Registry) {
  const open = registry.gauge("control_streams", "Streams that are open, by method");
  const sent = registry.counter(
    "control_stream_messages_total",
    "Messages sent on streams, by method",
  );
  const source = (method: string): Source => ({
    world,
    metrics: { open: open.with({ method }), sent: sent.with({ method }) },
  });
  return {
    get: source("Get"),
    getProfile: source("GetProfile"),
    inbound: source("WatchPort"),
    outbound: source("Watch"),
  };
}

/** How many resources there are of each kind. */
function sizesOf(world: World | undefined): object {
  return Object.fromEntries(
    Object.entries(world ?? {}).flatMap(([kind, all]) =>
      all instanceof Map ? [[kind, all.size]] : [],
    ),
  );
}
