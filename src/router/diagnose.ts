// TRACE: Max-Forwards tells which router on the way answers, and with `l5d-add-context: true` each adds a block to the
// body of the answer that says what it made of the request.

import type { Clock } from "../base/clock.ts";
import { Fault } from "../base/fault.ts";
import { Body } from "../io/body.ts";
import { type HttpReq, HttpRsp } from "../io/message.ts";
import { stepsTo } from "../name/explain.ts";
import { printAddr } from "../stack/normalize.ts";
import type { HttpFilter } from "../stack/types.ts";
import { header, removeHeader, setHeader } from "../wire/headers.ts";
import { routedOf, selectedOf } from "./routed.ts";

const MAX_BODY_BYTES = 1 << 20;

/** Counts Max-Forwards of TRACE down (RFC 9110 §7.6.2), and adds the block of this router where one is asked for. */
export function diagnose(clock: Clock): HttpFilter {
  return (next) =>
    function diagnose(req) {
      if (req.method !== "TRACE") return next(req);
      const left = header(req.headers, "max-forwards");
      if (left !== undefined && !/^\d{1,9}$/.test(left)) {
        const message = "Invalid value for Max-Forwards header";
        return Promise.reject(new Fault("bad-request", message, { side: "client" }));
      }
      const isLast = Number(left) === 0;
      const rsp = isLast
        ? Promise.resolve(new HttpRsp(200, [], Body.empty))
        : next(oneLess(req, left));
      const isAsked = /^(?:true|1)$/i.test(header(req.headers, "l5d-add-context") ?? "");
      return isAsked ? rsp.then((one) => appended(req, one, clock)) : rsp;
    };
}

function oneLess(req: HttpReq, left: string | undefined): HttpReq {
  if (left !== undefined) setHeader(req.headers, "max-forwards", String(Number(left) - 1));
  return req;
}

async function appended(req: HttpReq, rsp: HttpRsp, clock: Clock): Promise<HttpRsp> {
  const block = await describe(req, clock.now() - req.at);
  let before: string;
  if (rsp.body.length === undefined && rsp.version !== 20) {
    rsp.body.cancel(new Fault("cancelled", "a chunked answer is not kept", { side: "client" }));
    before = "(the answer was chunked and is left out)";
  } else {
    const tooLarge = () => new Fault("body-too-large", "the answer is too large for a trace");
    before = (await rsp.body.read(MAX_BODY_BYTES, tooLarge)).toString("latin1");
  }
  rsp.body = Body.of(Buffer.from(`${before === "" ? "" : `${before}\n`}${block}`, "latin1"));
  removeHeader(rsp.headers, "content-length");
  setHeader(rsp.headers, "content-type", "text/plain");
  return rsp;
}

async function describe(req: HttpReq, tookMs: number): Promise<string> {
  const routed = routedOf(req);
  const client = routed?.client;
  const tree = await routed?.service?.explain();
  const steps = tree && client && stepsTo(tree, client.id);
  const endpoint = selectedOf(req);
  return [
    `--- Router: ${routed?.router} ---`,
    `request duration: ${Math.round(tookMs)} ms`,
    `service name: ${routed?.name?.text ?? ""}`,
    `client name: ${client?.id ?? ""}`,
    `addresses: [${[...(client?.balancer.endpoints.keys() ?? [])].join(", ")}]`,
    `selected address: ${endpoint === undefined ? "" : printAddr(endpoint.target)}`,
    "dtab resolution:",
    ...(steps ?? []).map(({ path, dentry }) =>
      dentry === undefined ? `  ${path}` : `  ${path} (${dentry.prefix}=>${dentry.dst})`,
    ),
    "",
  ].join("\n");
}
