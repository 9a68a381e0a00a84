// The frame around every page: where you are, which namespace, whether the picture is live, light or dark.

import { useEffect } from "preact/hooks";
import { Mark } from "./icons.tsx";
import { useLive } from "./live.ts";
import { Overview } from "./overview.tsx";
import { go, usePlace } from "./place.ts";
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
  const known = live?.workloads.map((w) => w.namespace) ?? [];
  // The one of the address stands there even when nothing runs in it.
  const namespaces = [...new Set([...known, ...(place.namespace ? [place.namespace] : [])])].sort();
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
        <label class="chooser">
          <span class="unseen">Namespace</span>
          <select
            value={place.namespace}
            onChange={({ currentTarget }) =>
              go(
                (place.page === "tap" ? "/tap" : "/namespaces") +
                  (currentTarget.value && `/${encodeURIComponent(currentTarget.value)}`),
              )
            }
          >
            <option value="">All namespaces</option>
            {namespaces.map((ns) => (
              <option key={ns} value={ns}>
                {ns}
              </option>
            ))}
          </select>
        </label>
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
        {!live ? (
          <p class="empty">
            {connected ? "Waiting for the first figures…" : "Looking for the mesh…"}
          </p>
        ) : place.page === "tap" ? (
          <TapPage live={live} namespace={place.namespace} />
        ) : place.name ? (
          <WorkloadPage live={live} place={place} />
        ) : (
          <Overview live={live} namespace={place.namespace} />
        )}
      </main>
      {live && <footer>{live.version}</footer>}
    </>
  );
}

function windowText(ms: number): string {
  return ms >= 60_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}
