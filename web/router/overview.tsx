// The first page: all routers of the process in one glance, then each with its servers, services and clients.

import { Figure } from "../figure.tsx";
import { health, millis, percent, rate } from "../format.ts";
import { GOLDEN, GoldenCells, Head } from "../table.tsx";
import { Clients } from "./clients.tsx";
import type { Figures, RouterView, Snapshot } from "./data.ts";
import { delegatorAddress } from "./delegation.ts";

export function Overview({ snapshot }: { readonly snapshot: Snapshot }) {
  const { report, info, metric, figures } = snapshot;
  const servers = report.routers.flatMap((router) =>
    router.servers.map(({ name }) => {
      const scope = scopeOf(router, name);
      return { scope, figures: figures(scope) };
    }),
  );
  const sum = (name: string): number =>
    servers.reduce((all, { scope }) => all + metric(`${scope}/${name}`), 0);
  const rps = servers.reduce((all, one) => all + (one.figures.rps ?? 0), 0);
  const busy = servers.filter(({ figures: one }) => one.success !== null);
  const success =
    busy.length === 0
      ? null
      : busy.reduce((all, one) => all + one.figures.success! * one.figures.rps!, 0) / rps;
  const clients = report.routers.flatMap(({ label, clients: all }) =>
    all.map(({ id }) => metric(`rt/${label}/client/${id.slice(1)}/connections`)),
  );
  return (
    <>
      {report.applied.error && (
        <section class="notice" role="alert">
          <h2>The file has changed and cannot be applied; the old one goes on</h2>
          <pre>{report.applied.error}</pre>
        </section>
      )}
      {report.silent.length > 0 && (
        <section class="notice" role="status">
          <h2>These do not answer; what they said last goes on to count</h2>
          <ul>
            {report.silent.map(({ what, error, ageMs }) => (
              <li key={what}>
                {what}, known {millis(ageMs)} ago: {error}
              </li>
            ))}
          </ul>
        </section>
      )}
      <dl class="summary">
        <Figure title="Success" value={percent(success)} state={health(success)} />
        <Figure title="Requests a second" value={rate(rps)} />
        <Figure title="Pending" value={String(sum("pending"))} />
        <Figure title="Connections in" value={String(sum("connections"))} />
        <Figure title="Connections out" value={String(clients.reduce((a, b) => a + b, 0))} />
        <Figure
          title="Memory"
          value={`${Math.round(info.memory_bytes / 1e6)} MB`}
          note={`up ${uptime(info.uptime_ms)}`}
        />
      </dl>
      {report.routers.map((router) => (
        <Router key={router.label} router={router} snapshot={snapshot} />
      ))}
    </>
  );
}

function Router({
  router,
  snapshot,
}: {
  readonly router: RouterView;
  readonly snapshot: Snapshot;
}) {
  const { figures, metric } = snapshot;
  const scope = `rt/${router.label}`;
  return (
    <section>
      <h1>
        <span class="kind">{router.protocol}</span>
        {router.label}
      </h1>
      <Table
        title="Servers"
        rows={router.servers.map(({ name, address }) => ({
          name: address,
          scope: scopeOf(router, name),
        }))}
        snapshot={snapshot}
        extra={[
          ["Connections", (at) => String(metric(`${at}/connections`))],
          ["Pending", (at) => String(metric(`${at}/pending`))],
        ]}
      />
      <Table
        title="Services"
        rows={router.services
          .filter(({ dtab }) => dtab === "")
          .map(({ name, error }) => ({
            name,
            scope: `${scope}/service/${name.slice(1)}`,
            href: delegatorAddress(router.label, name),
            error,
          }))}
        snapshot={snapshot}
        extra={[
          ["Retries", (at) => String(metric(`${at}/retries/total`))],
          ["Retry budget", (at) => String(metric(`${at}/retries/budget`) || "–")],
        ]}
      />
      <Clients router={router} figures={figures} metric={metric} />
    </section>
  );
}

type Row = {
  readonly name: string;
  readonly scope: string;
  readonly href?: string;
  readonly error?: string | undefined;
};

type TableProps = {
  readonly title: string;
  readonly rows: readonly Row[];
  readonly snapshot: Snapshot;
  readonly extra: readonly (readonly [title: string, cell: (scope: string) => string])[];
};

function Table({ title, rows, snapshot, extra }: TableProps) {
  if (rows.length === 0) return null;
  return (
    <div class="scroll">
      <table>
        <Head left={[title]} right={[...GOLDEN, ...extra.map(([name]) => name)]} />
        <tbody>
          {rows.map(({ name, scope, href, error }) => (
            <tr key={scope}>
              <td class="left">
                {href ? <a href={href}>{name}</a> : name}
                {error && <small class="complaint"> {error}</small>}
              </td>
              <Cells figures={snapshot.figures(scope)} name={name} />
              {extra.map(([column, cell]) => (
                <td key={column}>{cell(scope)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The cells of a scope. */
export function Cells({ figures, name }: { readonly figures: Figures; readonly name: string }) {
  const past = { values: figures.history, label: `Requests a second to ${name}` };
  return <GoldenCells of={figures} past={past} />;
}

function scopeOf({ label }: RouterView, server: string): string {
  return `rt/${label}/server/${server}`;
}

function uptime(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  return minutes < 2880 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 1440)} days`;
}
