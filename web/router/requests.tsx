// The latest requests, where the file has the telemeter for them.

import type { RecentRequest } from "../../src/router/recentrequest.ts";
import { millis } from "../format.ts";
import { usePolled } from "../polled.ts";
import { Head } from "../table.tsx";
import { read } from "./data.ts";
import { delegatorAddress } from "./delegation.ts";

const EVERY_MS = 1000;

export function Requests() {
  const requests = usePolled(() => read<readonly RecentRequest[]>("/requests.json"), "", EVERY_MS);
  if (requests === undefined) return <p class="empty">Asking…</p>;
  if (requests.length === 0) {
    return (
      <section>
        <p class="empty">
          No requests yet. They are kept where the file says so:{" "}
          <code>telemetry: [{"{kind: io.l5d.recentRequests, sampleRate: 1.0}"}]</code>
        </p>
      </section>
    );
  }
  const link = (router: string, name: string) =>
    name && <a href={delegatorAddress(router, name)}>{name}</a>;
  return (
    <section>
      <h2>Latest requests</h2>
      <div class="scroll">
        <table>
          <Head
            left={[
              "Time",
              "Source",
              "Server",
              "Router",
              "Request",
              "Service",
              "Client",
              "Destination",
            ]}
            right={["Status", "Took"]}
          />
          <tbody>
            {requests.map((one, i) => (
              <tr key={i}>
                <td class="left">{new Date(one.at).toLocaleTimeString()}</td>
                <td class="left">{one.source}</td>
                <td class="left">{one.server}</td>
                <td class="left">{one.router}</td>
                <td class="left path">{one.request}</td>
                <td class="left">{link(one.router, one.service)}</td>
                <td class="left">{one.client}</td>
                <td class="left">{one.destination}</td>
                <td class={`share ${one.status >= 500 || one.status === 0 ? "bad" : "good"}`}>
                  {one.status || "–"}
                </td>
                <td>{millis(one.tookMs)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
