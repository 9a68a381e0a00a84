// What the verbs about a linkerd.yaml do: look at a file without serving it, or ask a router that runs.

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { systemClock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { systemRandom } from "../base/random.ts";
import { systemDns } from "../name/inet.ts";
import { nodeHttp } from "../platform/nodehttp.ts";
import { closeGeneration, makeGeneration, readFile as readLinkerd } from "../router/generation.ts";
import { metricTree } from "../router/metrictree.ts";
import { pluginKinds } from "../router/plugin.ts";
import { type AskedRequest, explainRequest, type Explanation } from "../router/routerexplain.ts";
import type { Linker } from "../router/routerparts.ts";
import { Serving } from "../proxy/serving.ts";
import { settingsReference } from "../router/yaml.ts";
import { isUnserved } from "../router/yamlinert.ts";
import { builtinKinds, joinKinds } from "../router/yamlkinds.ts";
import { type Diagnostic, printDiagnostic } from "../router/yamlsource.ts";
import { printJson } from "./format.ts";
import type { Terminal } from "./terminal.ts";

const EXPLAIN_MS = 5000;

/** Prints all that is wrong or odd about a linkerd.yaml; resolves to the exit code, 1 when it could not be served. */
export async function checkFile(
  file: string,
  output: "table" | "json" | "short",
  terminal: Terminal,
): Promise<number> {
  const { config, diagnostics } = await readLinkerd(await textOf(file), file, linkerOf(terminal));
  const ok = config !== undefined;
  if (output === "json") {
    terminal.print(printJson({ file, ok, diagnostics }));
    return ok ? 0 : 1;
  }
  for (const one of diagnostics) terminal.print(`${coloured(one, terminal)}\n`);
  const count = (severity: string): number =>
    diagnostics.filter((one) => one.severity === severity).length;
  const [errors, warnings] = [count("error"), count("warning")];
  if (output === "table") {
    terminal.print(
      `${file}: ${ok ? "can be served" : "cannot be served"}: ${errors} errors, ${warnings} warnings\n`,
    );
  }
  return ok ? 0 : 1;
}

function coloured(one: Diagnostic, { colour }: Terminal): string {
  const paint = one.severity === "error" ? colour.red : colour.yellow;
  return printDiagnostic(one).replace(`: ${one.severity}: `, `: ${paint(one.severity)}: `);
}

/** Prints the settings and kinds that have `word` in their names, those of the plug-ins of `file` too. */
export async function printSettings(
  word: string,
  file: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const read = file && (await readLinkerd(await textOf(file), file, linkerOf(terminal)));
  const added = read ? pluginKinds(read.plugins) : {};
  const settings = settingsReference(added).map(({ path, kind, allowed, required, doc }) => ({
    name: kind === undefined ? path : `${path} (${kind})`,
    says: `${allowed}${required ? ", required" : ""}: ${doc}`,
  }));
  const kinds = Object.entries(joinKinds(builtinKinds, added)).flatMap(([category, table]) =>
    Object.entries(table).map(([kind, { doc }]) => ({
      name: `${category} ${kind}`,
      says: isUnserved(category, kind) ? `${doc} (not available in this build)` : doc,
    })),
  );
  const found = [...settings, ...kinds].filter(({ name }) => name.includes(word));
  if (found.length === 0)
    throw new Fault("not-found", `no setting and no kind has "${word}" in it`);
  for (const { name, says } of found) terminal.print(`${name}\n    ${says}\n`);
}

async function textOf(file: string): Promise<string> {
  if (file === "-") return text(process.stdin);
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Fault("not-found", `config is not a file: ${file}`, { cause: error });
  }
}

/** What the routers of a file would do with a request. */
export async function explainFile(
  file: string,
  asked: AskedRequest,
  terminal: Terminal,
): Promise<Explanation[]> {
  const linker = linkerOf(terminal);
  const generation = await makeGeneration(await textOf(file), file, linker, undefined);
  const found = await Promise.all(
    generation.routers.map((router) => explainRequest(router, asked)),
  );
  closeGeneration(generation);
  return found;
}

/** What the router with this admin server would do with a request. */
export function askAdmin(
  admin: string,
  { method, url, headers }: AskedRequest,
): Promise<Explanation[]> {
  const query = new URLSearchParams({ method, url });
  for (let i = 0; i < headers.length; i += 2)
    query.append("header", `${headers[i]}: ${headers[i + 1]}`);
  return new Promise((resolve, reject) => {
    const failed = (why: string, cause?: unknown): void =>
      reject(new Fault("unavailable", `${admin} cannot be asked: ${why}`, { cause }));
    const req = nodeHttp().request(
      `http://${admin}/explain.json?${query.toString()}`,
      { timeout: EXPLAIN_MS },
      (rsp) => {
        text(rsp).then((body) => {
          if (rsp.statusCode === 200) resolve(JSON.parse(body) as Explanation[]);
          else failed(`it answered ${rsp.statusCode}: ${body.trim()}`);
        }, reject);
      },
    );
    req.on("error", (error) => failed(error.message, error));
    req.on("timeout", () => req.destroy(new Error(`no answer within ${EXPLAIN_MS} ms`)));
    req.end();
  });
}

function linkerOf({ env }: Terminal): Linker {
  const clock = systemClock;
  return {
    clock,
    random: systemRandom,
    log,
    logger: log.logger("router"),
    metrics: metricTree(clock),
    network: { clock, dns: systemDns },
    serving: new Serving(),
    env,
  };
}
