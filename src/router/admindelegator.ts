// The admin pages that show how names are bound: `/delegator.json`, every branch of one name, and `/explain.json`, the
// way of one request.

import { Fault } from "../base/fault.ts";
import type { HttpReq, HttpRsp } from "../io/message.ts";
import { SyntaxFault } from "../name/cursor.ts";
import { isSettled } from "../name/delegate.ts";
import { parseDtab } from "../name/dtab.ts";
import { type Interpreter, interpreter } from "../name/interpreter.ts";
import { parsePath } from "../name/path.ts";
import { header } from "../wire/headers.ts";
import type { PageCall } from "./adminpages.ts";
import { json, text } from "./adminreply.ts";
import { explainRequest } from "./routerexplain.ts";
import { settled } from "./settled.ts";

const TIMEOUT_MS = 2000;
const MAX_BODY_BYTES = 1 << 20;

type Asked = { readonly namespace: string; readonly dtab: string; readonly path: string };

/** The delegation of a name under a whole dtab, as Linkerd 1's playground asks for it. */
export async function delegator({ req, query, linkerd }: PageCall): Promise<HttpRsp> {
  const asked = req.method === "POST" ? await posted(req) : queried(query);
  if (asked === undefined) return text(415, "send application/json\n");
  const { namespace } = asked;
  const router = linkerd.generation.routers.find(({ config }) => config.label === namespace);
  const binds: Interpreter =
    router?.parts.interpreter ?? interpreter(linkerd.generation.shared.mounts);
  const path = parsed("path", parsePath, asked.path);
  const dtab = parsed("dtab", parseDtab, asked.dtab);
  const watch = binds.delegate?.(dtab, path);
  if (watch === undefined) {
    return text(501, `Name Interpreter for ${namespace} cannot show delegations\n`);
  }
  const { clock } = linkerd.linker;
  const { value: tree, complete } = await settled(watch, clock, TIMEOUT_MS, isSettled);
  return complete ? json(tree) : text(503, "Request timed out.\n");
}

/** The four steps of a request: `?router=LABEL&method=GET&url=http://web/&header=name:value`. */
export async function explainPage({ query, linkerd }: PageCall): Promise<HttpRsp> {
  const label = query.get("router");
  const { routers } = linkerd.generation;
  const wanted = label === null ? routers : routers.filter(({ config }) => config.label === label);
  const url = query.get("url");
  if (url === null) return text(400, "url is missing: /explain.json?url=http://web/\n");
  const headers = query.getAll("header").flatMap((line) => {
    const at = line.indexOf(":");
    return at < 0 ? [] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  });
  const request = { method: query.get("method") ?? "GET", url, headers };
  return json(await Promise.all(wanted.map((router) => explainRequest(router, request))));
}

function queried(query: URLSearchParams): Asked {
  return {
    namespace: query.get("namespace") ?? "",
    dtab: query.get("dtab") ?? "",
    path: query.get("path") ?? "",
  };
}

async function posted(req: HttpReq): Promise<Asked | undefined> {
  if (!(header(req.headers, "content-type") ?? "").startsWith("application/json")) return undefined;
  const tooLarge = () => new Fault("bad-input", "the request is too large");
  const body = (await req.body.read(MAX_BODY_BYTES, tooLarge)).toString();
  try {
    const { namespace = "", dtab = "", path = "" } = JSON.parse(body) as Partial<Asked>;
    return { namespace: String(namespace), dtab: String(dtab), path: String(path) };
  } catch (error) {
    const { message } = error as Error;
    throw new Fault("bad-input", `Malformed delegation request: ${message}`, { cause: error });
  }
}

function parsed<T>(what: string, parse: (written: string) => T, written: string): T {
  try {
    return parse(written);
  } catch (cause) {
    if (!(cause instanceof SyntaxFault)) throw cause;
    throw new Fault("bad-input", `Invalid ${what}: ${cause.message}`, { cause });
  }
}
