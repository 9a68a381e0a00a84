// The issuer on Kubernetes: the mounted Secret that an installation made, or that cert-manager renews, and the mounted
// trust anchors. What is new takes over without a restart; what is wrong is told and keeps the last good issuer.

import { createHash, createPrivateKey } from "node:crypto";
import { systemClock, type Timer } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { combine, source, type Watch } from "../base/watch.ts";
import { watchFile } from "../name/file.ts";
import type { KubeApi } from "../platform/kubeapi.ts";
import type { Account } from "../platform/resources.ts";
import { recordEvent } from "./events.ts";
import type { Signed } from "./identity.ts";
import type { Installation } from "./injectproxy.ts";
import { type Issuer, parseIssuer } from "./issuer.ts";
import { FILES } from "./kubeprocess.ts";

const SETTLE_MS = 5000;

/** What becomes known of the issuer: the reason and message of an event. */
export type IssuerEvent = {
  readonly reason: "IssuerUpdated" | "IssuerUpdateSkipped" | "IssuerValidationFailed";
  readonly message: string;
};

/** The issuer of the mounted files in `dir`, whichever way they are named; `tell` hears of all but the first. */
export function watchIssuer(
  installation: Watch<Installation>,
  tell: (event: IssuerEvent) => void,
  dir = FILES.issuer,
): Watch<Issuer> {
  const clock = systemClock;
  const read = (name: string) => watchFile(`${dir}/${name}`, clock);
  const files = combine([
    installation.map(({ trustAnchors }) => trustAnchors).distinct(),
    combine([read("crt.pem"), read("tls.crt")]).map(([own, theirs]) => own ?? theirs ?? ""),
    combine([read("key.pem"), read("tls.key")]).map(([own, theirs]) => own ?? theirs ?? ""),
  ]);
  return source((set) => {
    const logger = log.logger("controller");
    let current = "";
    const load = async (texts: readonly [string, string, string]): Promise<void> => {
      const [anchorsPem, certPem, key] = texts;
      if (texts.join() === current) return;
      const isFirst = current === "";
      try {
        const keyPem = String(createPrivateKey(key).export({ type: "pkcs8", format: "pem" }));
        const value = await parseIssuer({ anchorsPem, certPem, keyPem });
        if (value.certificate.notAfter.getTime() < clock.wall())
          throw new Fault("bad-input", `it expired on ${value.certificate.notAfter.toISOString()}`);
        current = texts.join();
        set({ kind: "ok", value });
        logger.info("read the issuer", { until: value.certificate.notAfter.toISOString() });
        if (!isFirst) tell({ reason: "IssuerUpdated", message: "Updated identity issuer" });
      } catch (error) {
        const { message } = Fault.from(error);
        set({
          kind: "failed",
          fault: new Fault("bad-input", `the issuer cannot be used: ${message}`),
        });
        logger.error("the issuer cannot be used", { error: message });
        tell({ reason: isFirst ? "IssuerValidationFailed" : "IssuerUpdateSkipped", message });
      }
    };
    let latest: readonly [string, string, string];
    let timer: Timer | undefined;
    const close = files.each((texts) => {
      latest = texts;
      if (current === "") return void load(texts);
      // Certificate and key are two files, which are not read at one moment.
      timer ??= clock.after(SETTLE_MS, () => {
        timer = undefined;
        void load(latest);
      });
    });
    return () => {
      timer?.cancel();
      close();
    };
  });
}

/** Writes what became known as an event of the Deployment of the identity service. */
export async function recordOnIdentity(api: KubeApi, event: IssuerEvent): Promise<void> {
  const { namespace } = api.access;
  const name = "linkerd-identity";
  type Deployment = { readonly metadata: { readonly uid: string } };
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}`;
  const uid = await api.request<Deployment>(path).then(
    ({ metadata }) => metadata.uid,
    () => undefined,
  );
  await recordEvent(api, {
    ...event,
    about: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace, name, ...(uid && { uid }) },
    },
    type: event.reason === "IssuerUpdated" ? "Normal" : "Warning",
    from: name,
  });
}

/** Writes of a certificate as an event of the service account that it is for. */
export function recordIssued(
  api: KubeApi,
  { namespace, serviceAccount: name, uid }: Account,
  { identity, leaf, validUntilMs }: Signed,
): Promise<void> {
  const until = new Date(validUntilMs).toISOString();
  const hash = createHash("sha256").update(leaf).digest("hex");
  return recordEvent(api, {
    about: {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name, namespace, ...(uid !== undefined && { uid }) },
    },
    type: "Normal",
    reason: "IssuedLeafCertificate",
    message: `issued certificate for ${identity} until ${until}: ${hash}`,
    from: "linkerd-identity",
  });
}
