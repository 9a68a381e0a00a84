// What `linkerd check` looks at in a mesh of this machine: a table of categories in the order of Linkerd's, with its
// words and hint anchors where it has them.

import type { X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import { createServer } from "node:net";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Scope } from "../base/scope.ts";
import { readText } from "../viz/scrape.ts";
import { endsSoon, isSupportedKey, isTrusted } from "./certificate.ts";
import type { Category } from "./check.ts";
import type { CheckContext } from "./checkcontext.ts";
import { awaited, row } from "./checkcontext.ts";
import { DATA_PLANE } from "./datachecks.ts";
import { DASHBOARD_PORT } from "./running.ts";
import { clientVersion } from "./version.ts";

const TIMEOUT_MS = 5000;

const existence: Category<CheckContext> = {
  id: "linkerd-existence",
  checks: [
    row("fatal", "local mesh is running", "", async (c) => void (await c.mesh())),
    row("warning", "state folder is private to its owner", "", async (c) => {
      const dir = (await c.mesh()).local!.status.stateDir;
      const mode = statSync(dir).mode & 0o777;
      if (mode & 0o077)
        throw new Fault(
          "no-permission",
          `others may read ${dir} (mode ${mode.toString(8)}): run chmod 700 ${dir}`,
        );
    }),
    awaited("fatal", "control plane pods are ready", "l5d-api-control-ready", async (c) => {
      const status = await (await c.mesh()).local!.mesh.status.next();
      if (!status.controllerReady)
        throw new Fault(
          "unavailable",
          'the control plane is not ready: "linkerd local logs linkerd-controller -n linkerd" says why',
        );
    }),
    row("warning", "manifests were applied without complaints", "", async (c) => {
      const { notices } = await (await c.mesh()).local!.mesh.status.next();
      if (notices.length > 0) throw new Fault("bad-input", notices.join("\n"));
    }),
  ],
};

const anchors = (c: CheckContext) => c.anchors();
const issuer = async (c: CheckContext) => [await c.issuer()];

// oxfmt-ignore
const CERTIFICATES = [
  ["fatal", "trust anchors are using supported crypto algorithm", "trustAnchors-use-supported-crypto", anchors, checkKey],
  ["fatal", "trust anchors are within their validity period", "trustAnchors-are-time-valid", anchors, checkTime],
  ["warning", "trust anchors are valid for at least 60 days", "trustAnchors-not-expiring-soon", anchors, checkSoon],
  ["fatal", "issuer cert is using supported crypto algorithm", "issuer-cert-uses-supported-crypto", issuer, checkKey],
  ["fatal", "issuer cert is within its validity period", "issuer-cert-is-time-valid", issuer, checkTime],
  ["warning", "issuer cert is valid for at least 60 days", "issuer-cert-not-expiring-soon", issuer, checkSoon],
  ["fatal", "issuer cert is issued by the trust anchor", "issuer-cert-issued-by-trust-anchor", issuer, checkIssued],
] as const;

/** Trust anchors and issuer; the same wherever they are kept. */
export const IDENTITY: Category<CheckContext> = {
  id: "linkerd-identity",
  checks: [
    row("fatal", "certificate config is valid", "l5d-identity-cert-config-valid", async (c) => {
      if ((await c.anchors()).length === 0)
        throw new Fault("bad-input", "there is no trust anchor");
      await c.issuer();
    }),
    ...CERTIFICATES.map(([severity, title, anchor, of, verify]) =>
      row(severity, title, `l5d-identity-${anchor}`, async (c) => {
        for (const certificate of await of(c)) await verify(certificate, c);
      }),
    ),
  ],
};

/** Whether command line and control plane are of one version. */
export const CONTROL_VERSION: Category<CheckContext> = {
  id: "control-plane-version",
  checks: [
    awaited(
      "fatal",
      "can retrieve the control plane version",
      "l5d-version-control",
      async (c) => void (await (await c.mesh()).version()),
    ),
    row("warning", "control plane and cli versions match", "l5d-version-control", async (c) => {
      const [server, own] = [await (await c.mesh()).version(), clientVersion(c.env)];
      if (server !== (c.expectedVersion ?? own)) {
        throw new Fault("bad-input", `control plane running ${server} but cli running ${own}`);
      }
    }),
  ],
};

const viz: Category<CheckContext> = {
  id: "linkerd-viz",
  checks: [
    awaited("error", "viz extension self-check", "l5d-viz-metrics-api", async (c) => {
      const { results } = await (await c.mesh()).viz.selfCheck({});
      const bad = results.filter(({ Status }) => Status !== 0);
      if (bad.length > 0)
        throw new Fault("unavailable", bad.map((b) => b.FriendlyMessageToUser).join("\n"));
    }),
    awaited("error", "dashboard answers", "l5d-viz-metrics-api", async (c) => {
      const { hostname, port } = new URL(
        await (await c.mesh()).dashboard("localhost", DASHBOARD_PORT, new Scope()),
      );
      await readText({ ip: hostname, port: Number(port) }, "/", TIMEOUT_MS);
    }),
  ],
};

/** Before a mesh is started: whether this machine can have one. */
export const PRE_CHECKS: readonly Category<CheckContext>[] = [
  {
    id: "pre-local-setup",
    checks: [
      row("fatal", "Node is 26 or later", "", () => {
        if (Number.parseInt(process.versions.node, 10) < 26)
          throw new Fault("bad-input", `this is Node ${process.versions.node}`);
      }),
      row("fatal", "loopback addresses can be listened on", "", () => canListen("127.66.255.254")),
      row("warning", "no local mesh is running already", "", async (c) => {
        const mesh = await c.mesh().catch(() => undefined);
        if (mesh) throw new Fault("in-use", `one runs on ${mesh.local!.status.stateDir}`);
      }),
    ],
  },
];

export const CONTROL_CHECKS: readonly Category<CheckContext>[] = [
  existence,
  IDENTITY,
  CONTROL_VERSION,
  viz,
];
export const DATA_CHECKS: readonly Category<CheckContext>[] = [
  existence,
  IDENTITY,
  viz,
  ...DATA_PLANE,
];

const ROTATE = '"linkerd upgrade --help" names the flags that take a new issuer and new anchors';

function checkKey(certificate: X509Certificate): void {
  if (isSupportedKey(certificate.publicKey)) return;
  throw new Fault(
    "bad-input",
    `${nameOf(certificate)} has a ${certificate.publicKey.asymmetricKeyType} key: use ECDSA P-256`,
  );
}

function checkTime(certificate: X509Certificate): void {
  const now = systemClock.wall();
  if (now < certificate.validFromDate.getTime())
    throw new Fault(
      "bad-input",
      `${nameOf(certificate)} not valid before: ${certificate.validFrom}`,
    );
  if (now > certificate.validToDate.getTime())
    throw new Fault(
      "bad-input",
      `${nameOf(certificate)} not valid anymore. Expired on ${certificate.validTo}\n${ROTATE}`,
    );
}

function checkSoon(certificate: X509Certificate): void {
  if (endsSoon(certificate))
    throw new Fault(
      "bad-input",
      `${nameOf(certificate)} will expire on ${certificate.validTo}\n${ROTATE}`,
    );
}

async function checkIssued(certificate: X509Certificate, c: CheckContext): Promise<void> {
  if (!isTrusted([certificate], await c.anchors()))
    throw new Fault("bad-input", "no trust anchor has issued the issuer's certificate");
}

function nameOf({ subject, serialNumber }: X509Certificate): string {
  return `${serialNumber} ${subject.replace(/^CN=/, "").split("\n")[0]}`;
}

function canListen(ip: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) =>
      reject(new Fault("no-permission", `cannot listen on ${ip}: ${error.message}`)),
    );
    server.listen(0, ip, () => server.close(() => resolve()));
  });
}
