// What a stock linkerd2-proxy finds when it starts in a pod of ours: its key and its certificate signing request in
// LINKERD2_PROXY_IDENTITY_DIR, made anew at each start. The proxy then takes this process's place.

import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { newKeyAndCsr } from "../../../src/proxy/csr.ts";

const { LINKERD2_PROXY_IDENTITY_DIR: dir, LINKERD2_PROXY_IDENTITY_LOCAL_NAME: name } = process.env;
if (!dir || !name) throw new Error("LINKERD2_PROXY_IDENTITY_DIR and …_LOCAL_NAME must be set");
const { keyPem, csr } = newKeyAndCsr(name);
const key = createPrivateKey(keyPem).export({ type: "pkcs8", format: "der" });
writeFileSync(`${dir}/key.p8`, key, { mode: 0o600 });
writeFileSync(`${dir}/csr.der`, csr, { mode: 0o600 });
const program = "/usr/lib/linkerd/linkerd2-proxy";
process.execve!(program, [program], process.env as Record<string, string>);
