// All kinds that are built in, by category; plug-ins add theirs beside them.

import { announcers, interpreters } from "./yamlinterpreter.ts";
import { namers, transformers } from "./yamlnamer.ts";
import { backoffs } from "./yamlparts.ts";
import type { Kinds } from "./yamlreading.ts";
import { policies, protocols } from "./yamlrouter.ts";
import { telemeters } from "./yamltelemetry.ts";
import {
  authorizers,
  failureAccruals,
  h2Classifiers,
  h2Identifiers,
  httpClassifiers,
  httpIdentifiers,
  labelers,
  loadBalancers,
  propagators,
  tcpIdentifiers,
} from "./yamltraffic.ts";

/** The built-in kinds. */
export const builtinKinds: Kinds = {
  ...policies,
  announcer: announcers,
  authorizer: authorizers,
  backoff: backoffs,
  failureAccrual: failureAccruals,
  h2Classifier: h2Classifiers,
  h2Identifier: h2Identifiers,
  httpClassifier: httpClassifiers,
  httpIdentifier: httpIdentifiers,
  interpreter: interpreters,
  labeler: labelers,
  loadBalancer: loadBalancers,
  namer: namers,
  propagator: propagators,
  protocol: protocols,
  tcpIdentifier: tcpIdentifiers,
  telemeter: telemeters,
  transformer: transformers,
};

/** All kinds of both; the second's stand for the first's of the same name. */
export function joinKinds(a: Kinds, b: Kinds): Kinds {
  const joined: Record<string, Kinds[string]> = { ...a };
  for (const [category, kinds] of Object.entries(b)) {
    joined[category] = { ...joined[category], ...kinds };
  }
  return joined;
}
