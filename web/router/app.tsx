// The frame around every page of the router's dashboard, and which page it is.

import { useEffect, useState } from "preact/hooks";
import { Mark } from "../icons.tsx";
import { ThemeButton } from "../themebutton.tsx";
import { useRouter } from "./data.ts";
import { Logging } from "./logging.tsx";
import { Overview } from "./overview.tsx";
import { Playground } from "./playground.tsx";
import { Requests } from "./requests.tsx";
import { Help } from "./help.tsx";

const PAGES = [
  ["/", "Routers"],
  ["/delegator", "Dtab"],
  ["/requests", "Requests"],
  ["/logging", "Logging"],
  ["/help", "Help"],
] as const;

export function App() {
  const { snapshot, connected } = useRouter();
  const [page, setPage] = useState(location.pathname);
  useEffect(() => {
    const follow = (): void => setPage(location.pathname);
    addEventListener("popstate", follow);
    return () => removeEventListener("popstate", follow);
  }, []);
  const go = (event: MouseEvent, address: string): void => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", address);
    setPage(address);
  };
  return (
    <>
      <header>
        <a class="home" href="/" onClick={(event) => go(event, "/")}>
          <Mark />
          <span>Linkerd router</span>
        </a>
        <nav aria-label="Pages">
          {PAGES.map(([address, title]) => (
            <a
              key={address}
              href={address}
              aria-current={page === address ? "page" : undefined}
              onClick={(event) => go(event, address)}
            >
              {title}
            </a>
          ))}
        </nav>
        <p class={`status ${connected ? "on" : ""}`} role="status">
          {connected ? "Live" : snapshot ? "Reconnecting…" : "Connecting…"}
        </p>
        <ThemeButton />
      </header>
      <main id="main">
        {!snapshot ? (
          <p class="empty">Looking for the router…</p>
        ) : page === "/delegator" ? (
          <Playground report={snapshot.report} />
        ) : page === "/requests" ? (
          <Requests />
        ) : page === "/logging" ? (
          <Logging />
        ) : page === "/help" ? (
          <Help />
        ) : (
          <Overview snapshot={snapshot} />
        )}
      </main>
      {snapshot && (
        <footer>
          {snapshot.info.version} · {snapshot.info.runtime} · {snapshot.report.file}
        </footer>
      )}
    </>
  );
}
