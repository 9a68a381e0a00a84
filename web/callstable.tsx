// Calls as rows: the same as the lines of the topology, for those who read rather than look.

import type { Call, Id } from "../src/viz/live.ts";
import { partsOf } from "./api.ts";
import { Lock, Unlocked } from "./icons.tsx";
import { addressOf } from "./place.ts";
import { GOLDEN, GoldenCells, Head } from "./table.tsx";

const SECURITY = { mutual: "Mutual TLS", none: "Not encrypted", mixed: "Partly" };

type Props = {
  readonly calls: readonly Call[];
  readonly caption: string;
  readonly side?: "src" | "dst";
};

/** `side` shows one end only, when all rows share the other. */
export function CallsTable({ calls, caption, side }: Props) {
  if (calls.length === 0) return <p class="empty">None in the last minute.</p>;
  return (
    <div class="scroll">
      <table>
        <caption class="unseen">{caption}</caption>
        <Head
          left={[...(side === "dst" ? [] : ["From"]), ...(side === "src" ? [] : ["To"]), "Secured"]}
          right={[...GOLDEN, "Connections"]}
        />
        <tbody>
          {calls.map((call) => (
            <tr key={`${call.src} ${call.dst}`}>
              {side !== "dst" && (
                <td class="left">
                  <End id={call.src} />
                </td>
              )}
              {side !== "src" && (
                <td class="left">
                  <End id={call.dst} />
                </td>
              )}
              <td class={`left secured ${call.security}`}>
                {call.security === "mutual" ? <Lock /> : <Unlocked />} {SECURITY[call.security]}
              </td>
              <GoldenCells of={call} />
              <td>{call.open}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function End({ id }: { readonly id: Id }) {
  const { kind, namespace, name } = partsOf(id);
  if (kind === "outside" || kind === "service") return <span class="muted">{name}</span>;
  return (
    <a class="name" href={addressOf(id)} title={namespace}>
      {name}
    </a>
  );
}
