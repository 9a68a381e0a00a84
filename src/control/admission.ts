// Admission reviews (admission.k8s.io): what an API server asks before it stores an object, as an HTTP service around
// a function of the object. Whatever goes wrong in the function is an answer, since the API server has a failure policy.

import { Fault } from "../base/fault.ts";
import { log } from "../base/log.ts";
import { Body } from "../io/body.ts";
import { HttpRsp } from "../io/message.ts";
import type { HttpService } from "../stack/types.ts";
import type { Operation } from "./jsonpatch.ts";
import type { RawObject } from "./manifest.ts";

export type Admission = {
  /** The namespace of the object. */
  readonly namespace: string;
  readonly object: RawObject;
  /** Nothing will be stored. */
  readonly dryRun: boolean;
};

/** What to do: deny with a reason, or let it in with these changes. */
export type Verdict = { readonly denied: string } | { readonly patch: readonly Operation[] };

type Review = {
  readonly apiVersion: string;
  readonly request?: {
    readonly uid: string;
    readonly namespace?: string;
    readonly object: RawObject;
    readonly dryRun?: boolean;
  };
};

const MOST_BYTES = 8 << 20;

/** Answers reviews with what `judge` says; a throw denies with its message. */
export function admission(
  judge: (admission: Admission) => Verdict | Promise<Verdict>,
): HttpService {
  return async (req) => {
    const bytes = await req.body.read(
      MOST_BYTES,
      () => new Fault("body-too-large", "the review is too large"),
    );
    let review: Review;
    try {
      review = JSON.parse(bytes.toString("utf8")) as Review;
    } catch {
      return answer(400, "the body is no admission review");
    }
    const { apiVersion, request } = review;
    if (!request) return answer(400, "the admission review has no request");
    const { uid, namespace = "", object, dryRun = false } = request;
    const response = { uid, ...(await respond(judge, { namespace, object, dryRun })) };
    const body = JSON.stringify({ apiVersion, kind: "AdmissionReview", response });
    return new HttpRsp(200, ["content-type", "application/json"], Body.of(body));
  };
}

async function respond(
  judge: (admission: Admission) => Verdict | Promise<Verdict>,
  asked: Admission,
): Promise<object> {
  let verdict: Verdict;
  try {
    verdict = await judge(asked);
  } catch (error) {
    const fault = Fault.from(error);
    if (fault.code === "unexpected")
      log.logger("admission").error("review failed", { error: fault });
    verdict = { denied: fault.message };
  }
  if ("denied" in verdict)
    return { allowed: false, status: { code: 400, message: verdict.denied } };
  if (verdict.patch.length === 0) return { allowed: true };
  const patch = Buffer.from(JSON.stringify(verdict.patch)).toString("base64");
  return { allowed: true, patchType: "JSONPatch", patch };
}

function answer(status: number, text: string): HttpRsp {
  return new HttpRsp(status, ["content-type", "text/plain"], Body.of(`${text}\n`));
}
