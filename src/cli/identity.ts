// The verb `linkerd identity`: the certificates that proxies show.

import { Fault } from "../base/fault.ts";
import { parseSelector } from "../viz/selector.ts";
import { printCertificate, proxyCertificates } from "./certificate.ts";
import { command } from "./command.ts";
import { findMesh } from "./mesh.ts";
import { namespace, namespaceOf, selector } from "./vizflags.ts";

export const identity = command({
  name: "identity",
  summary: "Show the certificates of pods' proxies",
  usage: "[POD…]",
  examples: [
    ["Of one pod", "identity web-1 -n emojivoto"],
    ["Of all pods with a label", "identity -l app=web -n emojivoto"],
  ],
  args: [0, 100],
  offers: "pod",
  flags: { namespace, selector },
  run: async ({ args, flags, globals, terminal }) => {
    if (args.length === 0 && flags.selector === undefined) {
      throw new Fault("bad-input", "name pods, or select them by label with -l");
    }
    const mesh = await findMesh(globals, terminal.env);
    const selects = parseSelector(flags.selector ?? "");
    const ns = namespaceOf(flags, mesh);
    const names = args.map((word) => word.replace(/^(po|pods?)\//, ""));
    const pods = (await mesh.world()).pods.filter(
      (pod) =>
        pod.namespace === ns &&
        selects(pod.labels) &&
        (names.length === 0 || names.includes(pod.name)),
    );
    const missing = names.filter((name) => !pods.some((pod) => pod.name === name));
    if (missing.length > 0)
      throw new Fault("not-found", `there is no pod ${missing.join(", ")} in ${ns}`);
    if (pods.length === 0)
      throw new Fault("not-found", `no pod in ${ns} has the labels ${flags.selector}`);
    let failed = 0;
    for (const [i, pod] of pods.entries()) {
      terminal.print(`\nPOD ${pod.name} (${i + 1} of ${pods.length})\n\n`);
      try {
        const [leaf] = await proxyCertificates(mesh, pod);
        terminal.print(printCertificate(leaf!));
      } catch (error) {
        failed++;
        terminal.print(`${(error as Error).message}\n`);
      }
    }
    return failed > 0 ? 1 : 0;
  },
});
