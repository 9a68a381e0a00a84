// Where the reader is: the address bar is the only state of navigation, with the addresses of Linkerd's dashboard.
//
//   /namespaces            every workload
//   /namespaces/NS         those of one namespace
//   /namespaces/NS/deployments/NAME
//   /tap                   calls as they happen

import { useEffect, useState } from "preact/hooks";
import type { Id, Target } from "../src/viz/live.ts";
import { partsOf } from "./api.ts";

export type Place = Target & { readonly page: "namespaces" | "tap" };

function read(pathname: string): Place {
  const [, page, namespace = "", plural = "", name = ""] = pathname.split("/").map(decoded);
  return {
    page: page === "tap" ? page : "namespaces",
    namespace,
    kind: plural.replace(/s$/, ""),
    name,
  };
}

/** A part of an address as it was meant; as it stands when somebody wrote it wrongly. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function addressOf(id: Id): string {
  const { kind, namespace, name } = partsOf(id);
  return `/namespaces/${encodeURIComponent(namespace)}/${kind}s/${encodeURIComponent(name)}`;
}

/** A page of a namespace, or of all when it is "". */
export function namespaceAddress(namespace: string, page: Place["page"] = "namespaces"): string {
  return `/${page}${namespace && `/${encodeURIComponent(namespace)}`}`;
}

export function go(address: string): void {
  history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

/** The place, kept up to date; plain clicks on our own links do not load a page. */
export function usePlace(): Place {
  const [place, setPlace] = useState(() => read(location.pathname));
  useEffect(() => {
    const follow = (): void => setPlace(read(location.pathname));
    const click = (event: MouseEvent): void => {
      const link = (event.target as Element).closest("a[href^='/']");
      const isPlain =
        event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
      if (!link || !isPlain || event.defaultPrevented) return;
      event.preventDefault();
      go(link.getAttribute("href")!);
    };
    addEventListener("popstate", follow);
    addEventListener("click", click);
    return () => {
      removeEventListener("popstate", follow);
      removeEventListener("click", click);
    };
  }, []);
  return place;
}
