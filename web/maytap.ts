// Whether the dashboard may show the calls of something. It is asked before a button is offered that would be refused.

import { useEffect, useState } from "preact/hooks";
import { ask } from "./api.ts";

type Target = { readonly namespace: string; readonly resource: string };

/** Why not; "" when it may, undefined while that is not known. */
export function useRefusal({ namespace, resource }: Target): string | undefined {
  const [refusal, setRefusal] = useState<string | undefined>(undefined);
  useEffect(() => {
    let open = true;
    setRefusal(undefined);
    if (resource)
      ask<{ refusal: string }>("tap-review", { namespace, resource }).then(
        (answer) => open && setRefusal(answer.refusal),
        // Who cannot be asked is asked again by the tap itself.
        () => open && setRefusal(""),
      );
    return () => {
      open = false;
    };
  }, [namespace, resource]);
  return refusal;
}
