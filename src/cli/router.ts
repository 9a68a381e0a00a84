// The verbs about Linkerd 1's router: `router`, `explain FILE 'GET http://web/'`. What they need is loaded when they
// are meant, since no other verb needs it.

import { Fault } from "../base/fault.ts";
import type { AskedRequest } from "../router/routerexplain.ts";
import { command } from "./command.ts";
import { printJson } from "./format.ts";
import { oneOf, optional, repeated } from "./flag.ts";

export const explain = command({
  name: "explain",
  summary: "Tell what a router would do with a request, step by step",
  usage: "FILE 'METHOD URL'",
  details:
    "Tells the four steps of a request: its name, the clients that the name is bound to, their addresses, and how " +
    "one of them is chosen. Names are looked up as a router would do it; nothing is sent.",
  examples: [
    ["By a file", "explain linkerd.yaml 'GET http://web/path'"],
    ["By what runs", "explain --admin 127.0.0.1:9990 'GET http://web/path'"],
    [
      "With rules of the request",
      "explain linkerd.yaml 'GET http://web/' -H 'l5d-dtab: /svc/web => /svc/web-v2'",
    ],
  ],
  args: [1, 2],
  offers: "file",
  flags: {
    admin: optional("HOST:PORT", "Ask the admin server of a running router, in place of a file"),
    router: optional("LABEL", "Only this router"),
    header: repeated("'NAME: VALUE'", "Header of the request; may be repeated", { short: "H" }),
    output: oneOf(["text", "json"], "Format of the output", { short: "o" }),
  },
  run: async ({ args, flags, terminal }) => {
    const [asked, file] = [...args].reverse();
    if ((flags.admin === undefined) === (file === undefined)) {
      throw new Fault("bad-input", "name either a FILE or --admin HOST:PORT, and then the request");
    }
    const wanted = requestOf(asked!, flags.header);
    const [{ askAdmin, explainFile }, { printExplanation }] = await Promise.all([
      import("./routerfile.ts"),
      import("../router/routerexplain.ts"),
    ]);
    const all =
      file === undefined
        ? await askAdmin(flags.admin!, wanted)
        : await explainFile(file, wanted, terminal);
    const found = all.filter(({ router }) => flags.router === undefined || router === flags.router);
    if (found.length === 0) throw new Fault("not-found", `there is no router ${flags.router}`);
    terminal.print(
      flags.output === "json" ? printJson(found) : found.map(printExplanation).join("\n"),
    );
    return found.some(({ binding }) => binding?.outcome === "bound") ? 0 : 1;
  },
});

const checkVerb = command({
  name: "check",
  summary: "Check a linkerd.yaml: all mistakes at once, with their places",
  usage: "FILE",
  args: [1, 1],
  offers: "file",
  flags: { output: oneOf(["table", "json", "short"], "Format of the output", { short: "o" }) },
  run: async ({ args, flags, terminal }) => {
    const { checkFile } = await import("./routerfile.ts");
    return checkFile(args[0]!, flags.output, terminal);
  },
});

const settings = command({
  name: "settings",
  summary: "Tell the settings and kinds that a linkerd.yaml may have",
  usage: "[WORD]",
  examples: [
    ["All about TLS of clients", "router settings client.tls"],
    ["A kind", "router settings io.l5d.successRate"],
    ["With those of a file's plug-ins", "router settings --file linkerd.yaml"],
  ],
  args: [0, 1],
  flags: { file: optional("FILE", "Also those of this file's plug-ins", { offers: "file" }) },
  run: async ({ args, flags, terminal }) => {
    const { printSettings } = await import("./routerfile.ts");
    return printSettings(args[0] ?? "", flags.file, terminal);
  },
});

/** `linkerd router FILE` runs without the command line (main.ts); here is what is about files. */
export const router = command({
  name: "router",
  summary: "Run Linkerd 1's router by its file, or look at the file",
  usage: "FILE|-",
  details: `"linkerd FILE" and "linkerd router FILE" run the file; SIGHUP and changes of it are applied while it runs.
-validate only looks at it, and -log.level=LEVEL says what is logged.`,
  examples: [
    ["Run a file", "router linkerd.yaml"],
    ["Look for mistakes", "router check linkerd.yaml"],
    ["What would become of a request", "router explain linkerd.yaml 'GET http://web/'"],
  ],
  commands: [checkVerb, explain, settings],
});

function requestOf(asked: string, headers: readonly string[]): AskedRequest {
  const [, method = "GET", url] = /^(?:([A-Z]+)\s+)?(\S+)$/.exec(asked.trim()) ?? [];
  if (url === undefined) {
    throw new Fault("bad-input", `"${asked}" is no request: write it as 'GET http://web/path'`);
  }
  const pairs = headers.flatMap((line) => {
    const at = line.indexOf(":");
    if (at < 1) throw new Fault("bad-input", `--header: "${line}" is not NAME: VALUE`);
    return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
  return { method, url, headers: pairs };
}
