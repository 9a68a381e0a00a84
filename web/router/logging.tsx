// The levels of logging, changed while the router runs.

import { useEffect, useState } from "preact/hooks";
import { read } from "./data.ts";

type Logger = { readonly logger: string; readonly level: string };

const LEVELS = ["OFF", "ERROR", "WARNING", "INFO", "DEBUG", "TRACE"];

export function Logging() {
  const [loggers, setLoggers] = useState<readonly Logger[]>([]);
  const [wrong, setWrong] = useState("");
  useEffect(() => {
    read<Logger[]>("/logging.json").then(setLoggers, (error: Error) => setWrong(error.message));
  }, []);
  const set = async (logger: string, level: string): Promise<void> => {
    const rsp = await fetch("/logging.json", {
      method: "POST",
      body: new URLSearchParams({ logger, level }),
    });
    if (rsp.ok) setLoggers((await rsp.json()) as Logger[]);
    else setWrong(await rsp.text());
  };
  return (
    <section>
      <h2>Logging</h2>
      {wrong && (
        <p class="complaint" role="alert">
          {wrong}
        </p>
      )}
      <table class="levels">
        <tbody>
          {loggers.map(({ logger, level }) => (
            <tr key={logger}>
              <td class="left">{logger === "root" ? "everything" : logger}</td>
              <td class="left tabs">
                {LEVELS.map((one) => (
                  <button
                    key={one}
                    type="button"
                    aria-pressed={one === level}
                    onClick={() => void set(logger, one)}
                  >
                    {one.toLowerCase()}
                  </button>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
