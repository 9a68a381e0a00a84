// Light or dark: what the system prefers, until the reader says otherwise.

const KEY = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark(): boolean {
  const chosen = document.documentElement.dataset["theme"];
  return chosen ? chosen === "dark" : system.matches;
}

/** Applies what was chosen before; returns whether it is dark now. */
export function restore(): boolean {
  const chosen = localStorage.getItem(KEY);
  if (chosen) document.documentElement.dataset["theme"] = chosen;
  return isDark();
}

export function flip(): void {
  const next = isDark() ? "light" : "dark";
  document.documentElement.dataset["theme"] = next;
  localStorage.setItem(KEY, next);
  dispatchEvent(new Event("themechange"));
}
