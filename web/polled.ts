// An answer that is asked for again and again, as state.

import { useEffect, useState } from "preact/hooks";

/** What `load` brought last; undefined before the first answer. It starts anew when `key` changes, and a failure keeps
 * what is known. */
export function usePolled<T>(load: () => Promise<T>, key: string, everyMs: number): T | undefined {
  const [answer, setAnswer] = useState<T | undefined>(undefined);
  useEffect(() => {
    let open = true;
    const turn = (): void =>
      void load().then(
        (value) => open && setAnswer(value),
        () => {},
      );
    setAnswer(undefined);
    turn();
    const timer = setInterval(turn, everyMs);
    return () => {
      open = false;
      clearInterval(timer);
    };
  }, [key]);
  return answer;
}
