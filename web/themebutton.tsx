// The button that turns light into dark and back.

import { useState } from "preact/hooks";
import { Moon, Sun } from "./icons.tsx";
import { flip, isDark, restore } from "./theme.ts";

export function ThemeButton() {
  const [dark, setDark] = useState(restore);
  return (
    <button
      type="button"
      class="theme"
      aria-label={dark ? "Use light colours" : "Use dark colours"}
      onClick={() => {
        flip();
        setDark(isDark());
      }}
    >
      {dark ? <Sun /> : <Moon />}
    </button>
  );
}
