// The frame around every page: where you are, which namespace, whether the picture is live, light or dark.

import { useEffect } from "preact/hooks";
import type { Live, Workload } from "../src/viz/live.ts";
import { Mark } from "./icons.tsx";
import { useLive } from "./live.ts";
import { Overview } from "./overview.tsx";
import { go, namespaceAddress, type Place, usePlace } from "./place.ts";
import { TapPage } from "./tap.tsx";
import { ThemeButton } from "./themebutton.tsx";
import { WorkloadPage } from "./workload.tsx";

export function App() {
  const place = usePlace();
  const { live, connected } = useLive();
  useEffect(() => {
    document.title = [place.page === "tap" && "Tap", place.name, place.namespace, "Linkerd"]
      .filter(Boolean)
      .join(" · ");
  }, [place]);
  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <a class="home" href="/namespaces" aria-label="Linkerd, overview">
          <Mark />
          <span>Linkerd</span>
        </a>
        <nav aria-label="Pages">
          <a href="/namespaces" aria-current={place.page === "tap" ? undefined : "page"}>
            Mesh
          </a>
          <a href="/tap" aria-current={place.page === "tap" ? "page" : undefined}>
            Tap
          </a>
        </nav>
        <Namespaces place={place} workloads={live?.workloads ?? []} />
        <p class={`status ${connected ? "on" : ""}`} role="status">
          {connected
            ? `Live · last ${windowText(live?.windowMs ?? 60_000)}`
            : live
              ? "Reconnecting…"
              : "Connecting…"}
        </p>
        <ThemeButton />
      </header>
      <main id="main" tabIndex={-1}>
        {live ? (
          <Page live={live} place={place} />
        ) : (
          <p class="empty">
            {connected ? "Waiting for the first figures…" : "Looking for the mesh…"}
          </p>
        )}
      </main>
      {live && <footer>{live.version}</footer>}
    </>
  );
}

function Page({ live, place }: { readonly live: Live; readonly place: Place }) {
  if (place.page === "tap") return <TapPage live={live} namespace={place.namespace} />;
  if (place.name) return <WorkloadPage live={live} place={place} />;
  return <Overview live={live} namespace={place.namespace} />;
}

type NamespacesProps = { readonly place: Place; readonly workloads: readonly Workload[] };

function Namespaces({ place: { page, namespace }, workloads }: NamespacesProps) {
  // The one of the address stands there even when nothing runs in it.
  const names = new Set([...workloads.map((w) => w.namespace), namespace]);
  names.delete("");
  return (
    <label class="chooser">
      <span class="unseen">Namespace</span>
      <select
        value={namespace}
        onChange={({ currentTarget: { value } }) => go(namespaceAddress(value, page))}
      >
        <option value="">All namespaces</option>
        {[...names].sort().map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

function windowText(ms: number): string {
  return ms >= 60_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}
