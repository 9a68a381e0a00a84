// The dtab playground: rules that can be changed here without changing the router, a name, and every step that the
// router would take with it, the winning ones marked.

import { useEffect, useState } from "preact/hooks";
import { decoded } from "../place.ts";
import { type Bound, type Delegation, delegatorAddress, outcome } from "./delegation.ts";
import { read, type Report } from "./data.ts";

const WAIT_MS = 150;

export function Playground({ report }: { readonly report: Report }) {
  const asked = new URLSearchParams(location.search).get("router");
  const named = report.routers.find(({ label }) => label === asked) ?? report.routers[0];
  const [label, setLabel] = useState(named?.label ?? "");
  const router = report.routers.find((one) => one.label === label);
  const given = (router?.dtab ?? []).map((rule) => rule.replace("=>", " => ")).join(" ;\n");
  const [dtab, setDtab] = useState(given);
  const [path, setPath] = useState(decoded(location.hash.slice(1)) || "/svc/web");
  const [tree, setTree] = useState<Delegation>();
  const [wrong, setWrong] = useState("");
  useEffect(() => setDtab(given), [label]);
  useEffect(() => {
    history.replaceState(null, "", delegatorAddress(label, path));
    const query = new URLSearchParams({ namespace: label, dtab, path });
    let open = true;
    const timer = setTimeout(() => {
      read<Delegation>(`/delegator.json?${query.toString()}`).then(
        (found) => {
          if (!open) return;
          setTree(found);
          setWrong("");
        },
        (error: Error) => open && setWrong(error.message),
      );
    }, WAIT_MS);
    return () => {
      open = false;
      clearTimeout(timer);
    };
  }, [label, dtab, path]);
  return (
    <>
      <Question
        labels={report.routers.map((one) => one.label)}
        asked={{ label, path, dtab }}
        given={given}
        onLabel={setLabel}
        onPath={setPath}
        onDtab={setDtab}
      />
      <section>
        {wrong !== "" ? (
          <p class="complaint" role="alert">
            {wrong}
          </p>
        ) : (
          tree && (
            <ol class="steps">
              <Step node={tree} wins={true} />
            </ol>
          )
        )}
      </section>
    </>
  );
}

type QuestionProps = {
  readonly labels: readonly string[];
  readonly asked: { readonly label: string; readonly path: string; readonly dtab: string };
  /** The router's own rules. */
  readonly given: string;
  readonly onLabel: (label: string) => void;
  readonly onPath: (path: string) => void;
  readonly onDtab: (dtab: string) => void;
};

function Question({ labels, asked, given, onLabel, onPath, onDtab }: QuestionProps) {
  const { label, path, dtab } = asked;
  return (
    <section class="playground">
      <p class="filters">
        <label>
          <span>Router</span>
          <select value={label} onChange={({ currentTarget }) => onLabel(currentTarget.value)}>
            {labels.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
        <label>
          <span>Name</span>
          <input
            id="path"
            value={path}
            spellcheck={false}
            onInput={({ currentTarget }) => onPath(currentTarget.value.trim())}
          />
        </label>
        {dtab !== given && (
          <button type="button" class="small" onClick={() => onDtab(given)}>
            Back to the router's rules
          </button>
        )}
      </p>
      <label>
        <span class="muted">
          Rules, the last that matches first; changes here are tried, not applied
        </span>
        <textarea
          id="dtab"
          rows={Math.min(16, Math.max(4, dtab.split("\n").length + 1))}
          spellcheck={false}
          value={dtab}
          onInput={({ currentTarget }) => onDtab(currentTarget.value)}
        />
      </label>
    </section>
  );
}

type StepProps = {
  readonly node: Delegation;
  readonly wins: boolean;
  readonly weight?: number;
};

function Step({ node, wins, weight }: StepProps) {
  const { path, dentry } = node;
  return (
    <li class={wins ? `wins ${outcome(node)}` : "loses"}>
      {weight !== undefined && <span class="weight">{weight} ×</span>}
      <code>{path}</code>
      {dentry && (
        <small class="muted">
          {dentry.prefix} ⇒ {dentry.dst}
        </small>
      )}
      <Remark node={node} />
      <Below node={node} wins={wins} />
    </li>
  );
}

function Below({ node, wins }: { readonly node: Delegation; readonly wins: boolean }) {
  switch (node.type) {
    case "delegate":
      return (
        <ol>
          <Step node={node.delegate} wins={wins} />
        </ol>
      );
    case "transformation":
      return (
        <ol>
          <Step node={node.tree} wins={wins} />
        </ol>
      );
    case "alt": {
      const winner = node.alt.findIndex((branch) => outcome(branch) !== "neg");
      return (
        <ol>
          {node.alt.map((branch, i) => (
            <Step key={i} node={branch} wins={wins && i === winner} />
          ))}
        </ol>
      );
    }
    case "union":
      return (
        <ol>
          {node.union.map(({ weight, tree }, i) => (
            <Step key={i} node={tree} weight={weight} wins={wins && outcome(tree) === "bound"} />
          ))}
        </ol>
      );
    default:
      return null;
  }
}

const WORDS = {
  neg: "no such name",
  fail: "fails by rule",
  empty: "bound to no hosts by rule",
  pending: "not answered yet",
} as const;

function Remark({ node }: { readonly node: Delegation }) {
  switch (node.type) {
    case "leaf":
      return <Addresses bound={node.bound} />;
    case "exception":
      return <span class="complaint">{node.message}</span>;
    case "transformation":
      return <span class="kind">{node.name}</span>;
    case "neg":
    case "fail":
    case "empty":
    case "pending":
      return <span class="muted">{WORDS[node.type]}</span>;
    default:
      return null;
  }
}

function Addresses({ bound: { addr, path } }: { readonly bound: Bound }) {
  if (addr.type !== "bound") {
    return (
      <span class="complaint">
        {addr.type === "failed" ? addr.cause : `addresses: ${addr.type}`}
      </span>
    );
  }
  return (
    <span class="addresses">
      {addr.addrs.length === 0 && "no hosts"}
      {addr.addrs.map(({ ip, port, meta }) => (
        <span key={`${ip}:${port}`} class="address">
          {ip}:{port}
          {meta["endpoint_addr_weight"] === undefined ? "" : ` × ${meta["endpoint_addr_weight"]}`}
        </span>
      ))}
      {path !== "/" && <small class="muted">rest {path}</small>}
    </span>
  );
}
