// Tap: choose whose calls to see, with the filters of the command line, one by one or added up.

import { useState } from "preact/hooks";
import type { Live, LiveCall, Workload } from "../src/viz/live.ts";
import { useCalls } from "./calls.ts";
import { millis, shortKind } from "./format.ts";
import { Lock, Unlocked } from "./icons.tsx";
import { CallGroups } from "./livecalls.tsx";
import { useRefusal } from "./maytap.ts";
import { Head } from "./table.tsx";

const FIELDS = [
  ["to", "To", "deploy/voting"],
  ["method", "Method", "POST"],
  ["path", "Path begins with", "/api"],
  ["authority", "Authority", "web-svc.emojivoto:80"],
] as const;

type Query = Readonly<Record<string, string>>;

export function TapPage({ live, namespace }: { readonly live: Live; readonly namespace: string }) {
  const choices = choicesOf(live.workloads, namespace);
  const [target, setTarget] = useState("");
  const [filters, setFilters] = useState<Query>({});
  const [query, setQuery] = useState<Query | undefined>(undefined);
  const [isTop, setTop] = useState(false);
  const calls = useCalls(query);
  const chosen = choices.includes(target) ? target : (choices[0] ?? "");
  const [ns = "", resource = ""] = chosen.split(" ");
  const wanted: Query = {
    namespace: ns,
    resource,
    ...Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== "")),
  };
  const refusal = useRefusal({ namespace: ns, resource });
  return (
    <>
      <h1>Tap</h1>
      <section>
        <Filters
          choices={choices}
          chosen={chosen}
          filters={filters}
          isOn={!!query}
          isAllowed={refusal === ""}
          onChoose={setTarget}
          onFilter={(name, value) => setFilters({ ...filters, [name]: value })}
          onToggle={() => setQuery(query ? undefined : wanted)}
        />
        <p class="command">
          <code>{commandOf(wanted, isTop)}</code>
        </p>
      </section>
      <section aria-label="Calls">
        <div class="tabs" role="group" aria-label="How to show calls">
          <button type="button" aria-pressed={!isTop} onClick={() => setTop(false)}>
            One by one
          </button>
          <button type="button" aria-pressed={isTop} onClick={() => setTop(true)}>
            Added up
          </button>
        </div>
        {calls.complaint && <p class="complaint">{calls.complaint}</p>}
        {calls.latest.length === 0 ? (
          <p class="empty">{query ? "Waiting for calls…" : whyNot(refusal)}</p>
        ) : isTop ? (
          <CallGroups groups={calls.groups} both={true} />
        ) : (
          <Latest calls={calls.latest} />
        )}
      </section>
    </>
  );
}

const whyNot = (refusal: string | undefined): string =>
  refusal ? `The dashboard may not show calls here. ${refusal}.` : "Nothing is tapped.";

// What can be tapped: whole namespaces, and workloads, each behind its namespace.
function choicesOf(workloads: readonly Workload[], namespace: string): string[] {
  const own = workloads.filter((w) => namespace === "" || w.namespace === namespace);
  const spaces = [...new Set(own.map((w) => w.namespace))].sort();
  return [
    ...spaces.map((ns) => `${ns} ns/${ns}`),
    ...own.map((w) => `${w.namespace} ${shortKind(w.kind)}/${w.name}`),
  ];
}

type FiltersProps = {
  readonly choices: readonly string[];
  readonly chosen: string;
  readonly filters: Query;
  readonly isOn: boolean;
  readonly isAllowed: boolean;
  readonly onChoose: (choice: string) => void;
  readonly onFilter: (name: string, value: string) => void;
  readonly onToggle: () => void;
};

// What to tap cannot be changed while it is tapped.
function Filters(props: FiltersProps) {
  const { choices, chosen, filters, isOn, isAllowed, onChoose, onFilter, onToggle } = props;
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        if (isOn || isAllowed) onToggle();
      }}
    >
      <label>
        <span>Whose calls</span>
        <select
          value={chosen}
          disabled={isOn}
          onChange={({ currentTarget }) => onChoose(currentTarget.value)}
        >
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice.replace(" ", " · ")}
            </option>
          ))}
        </select>
      </label>
      {FIELDS.map(([name, title, example]) => (
        <label key={name}>
          <span>{title}</span>
          <input
            value={filters[name] ?? ""}
            placeholder={example}
            disabled={isOn}
            onInput={({ currentTarget }) => onFilter(name, currentTarget.value)}
          />
        </label>
      ))}
      {(isOn || isAllowed) && (
        <button type="submit" class="switch" aria-pressed={isOn}>
          {isOn ? "Stop" : "Start"}
        </button>
      )}
    </form>
  );
}

function commandOf({ namespace = "", resource = "", ...filters }: Query, isTop: boolean): string {
  const scope = resource.startsWith("ns/") ? "" : ` -n ${namespace}`;
  // Quoted where a shell would read more into it.
  const word = (text: string) =>
    /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const flags = Object.entries(filters).map(([name, value]) => ` --${name} ${word(value)}`);
  return `linkerd viz ${isTop ? "top" : "tap"} ${resource}${scope}${flags.join("")}`;
}

function Latest({ calls }: { readonly calls: readonly LiveCall[] }) {
  return (
    <div class="scroll">
      <table>
        <Head
          left={["Time", "Direction", "From", "To", "TLS", "Method", "Path"]}
          right={["Latency", "HTTP", "gRPC"]}
        />
        <tbody>
          {calls.map((call, i) => (
            <tr key={`${call.at} ${i}`}>
              <td class="left muted">
                {new Date(call.at).toLocaleTimeString([], { hour12: false })}
              </td>
              <td class="left">{call.direction === "inbound" ? "← in" : "→ out"}</td>
              <td class="left">{call.source}</td>
              <td class="left">{call.destination}</td>
              <td class={`left secured ${call.tls ? "mutual" : "none"}`}>
                {call.tls ? <Lock /> : <Unlocked />}
                <span class="unseen">{call.tls ? "mutual TLS" : "not encrypted"}</span>
              </td>
              <td class="left">{call.method}</td>
              <td class="left path">{call.path}</td>
              <td>{millis(call.latencyMs)}</td>
              <td class={call.status >= 500 ? "bad" : ""}>{call.status || "reset"}</td>
              <td class={call.grpcStatus ? "bad" : ""}>{call.grpcStatus ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
