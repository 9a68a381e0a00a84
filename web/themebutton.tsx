// Light or dark: what the system prefers, until the reader says otherwise; and the button for that.

import { useEffect, useState } from "preact/hooks";
import { Moon, Sun } from "./icons.tsx";

const KEY = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const { dataset } = document.documentElement;

// What is drawn on a canvas does not follow the style sheet.
const tell = (): void => void dispatchEvent(new Event("themechange"));
system.addEventListener("change", tell);
const before = localStorage.getItem(KEY);
if (before) dataset["theme"] = before;

const isDark = (): boolean => (dataset["theme"] ? dataset["theme"] === "dark" : system.matches);

function flip(): void {
  dataset["theme"] = isDark() ? "light" : "dark";
  localStorage.setItem(KEY, dataset["theme"]);
  tell();
}

export function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  useEffect(() => {
    const follow = (): void => setDark(isDark());
    addEventListener("themechange", follow);
    return () => removeEventListener("themechange", follow);
  }, []);
  const label = dark ? "Use light colours" : "Use dark colours";
  return (
    <button type="button" class="theme" aria-label={label} onClick={flip}>
      {dark ? <Sun /> : <Moon />}
    </button>
  );
}
