// The clients of a router: each with its figures and its endpoints, so that one sees which of them are used, and why
// the others are not.

import { useState } from "preact/hooks";
import { millis } from "../format.ts";
import { GOLDEN } from "../table.tsx";
import type { Client, Endpoint, Figures, RouterView, Snapshot } from "./data.ts";
import { Cells } from "./overview.tsx";

type Props = {
  readonly router: RouterView;
  readonly figures: Snapshot["figures"];
  readonly metric: Snapshot["metric"];
};

const FEW = 6;

export function Clients({ router, figures, metric }: Props) {
  const { clients, label } = router;
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [isPrefixed, setPrefixed] = useState(false);
  if (clients.length === 0) return <p class="empty">No client has been used yet.</p>;
  const toggle = (id: string): void => {
    const next = new Set(open);
    if (!next.delete(id)) next.add(id);
    setOpen(next);
  };
  // A handful is shown with all endpoints.
  const isOpen = (id: string): boolean => open.has(id) !== clients.length < FEW;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th class="left">
              Clients
              {clients.some(({ id }) => id.startsWith("/%/")) && (
                <button type="button" class="small" onClick={() => setPrefixed(!isPrefixed)}>
                  {isPrefixed ? "hide transformers" : "show transformers"}
                </button>
              )}
            </th>
            {[...GOLDEN, "Connections"].map((title) => (
              <th key={title}>{title}</th>
            ))}
            <th class="left">Endpoints</th>
          </tr>
        </thead>
        {clients.map((client) => {
          const { id } = client;
          const scope = `rt/${label}/client/${id.slice(1)}`;
          return (
            <ClientRows
              key={id}
              client={client}
              name={isPrefixed ? id : id.replace(/^\/%.*?(?=\/[#$])/, "")}
              figures={figures(scope)}
              connections={metric(`${scope}/connections`)}
              isOpen={isOpen(id)}
              onToggle={() => toggle(id)}
            />
          );
        })}
      </table>
    </div>
  );
}

type RowsProps = {
  readonly client: Client;
  readonly name: string;
  readonly figures: Figures;
  readonly connections: number;
  readonly isOpen: boolean;
  readonly onToggle: () => void;
};

function ClientRows({ client, name, figures, connections, isOpen, onToggle }: RowsProps) {
  const { id, error, staleMs, endpoints } = client;
  return (
    <tbody>
      <tr>
        <td class="left">
          <button type="button" class="fold" aria-expanded={isOpen} onClick={onToggle}>
            {name}
          </button>
          {error && (
            <small class="complaint">
              {" "}
              {error}; addresses as known {millis(staleMs)} ago
            </small>
          )}
        </td>
        <Cells figures={figures} name={id} />
        <td>{connections}</td>
        <td class="left">
          <Ready client={client} />
        </td>
      </tr>
      {isOpen &&
        endpoints.map((endpoint) => <EndpointRow key={endpoint.address} endpoint={endpoint} />)}
    </tbody>
  );
}

function Ready({ client }: { readonly client: Client }) {
  const { endpoints, balancer, tls } = client;
  const ready = endpoints.filter(({ state }) => state === "ready").length;
  const state =
    endpoints.length === 0 || ready === 0 ? "bad" : ready < endpoints.length ? "fair" : "good";
  return (
    <span class={`share ${state}`}>
      <meter min={0} max={Math.max(1, endpoints.length)} value={ready} aria-hidden="true" /> {ready}
      /{endpoints.length}
      <small class="muted">
        {" "}
        {balancer}
        {tls ? ", TLS" : ""}
      </small>
    </span>
  );
}

function EndpointRow({ endpoint }: { readonly endpoint: Endpoint }) {
  const { address, weight, state, pending, load, why, sinceMs } = endpoint;
  return (
    <tr class="endpoint">
      <td class="left">{address}</td>
      <td colSpan={3} class="left muted">
        {weight === 1 ? "" : `weight ${weight}, `}
        {pending} pending, load {load}
      </td>
      <td colSpan={4} class="left">
        <span class={`state ${state}`}>{state}</span>
        {why && (
          <small class="muted">
            {" "}
            for {millis(sinceMs ?? null)}: {why}
          </small>
        )}
      </td>
    </tr>
  );
}
