// The verb `linkerd profile`: a ServiceProfile to begin with, from an OpenAPI or Swagger document, from a .proto file, or
// as a template with an example of everything.

import { parse } from "yaml";
import { Fault } from "../base/fault.ts";
import type { RawObject } from "../control/manifest.ts";
import { mistakesOf } from "../control/validate.ts";
import { command } from "./command.ts";
import { oneOf, optional, toggle, type Values } from "./flag.ts";
import { printObjects, readTextFile } from "./manifestfiles.ts";
import { namespace, serviceName } from "./vizflags.ts";

const METHODS = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

const FLAGS = {
  namespace,
  template: toggle("An example of everything that a profile can say"),
  openApi: optional("FILE", "From an OpenAPI or Swagger document", { offers: "file" }),
  proto: optional("FILE", "From a .proto file", { offers: "file" }),
  clusterDomain: optional("DOMAIN", "Domain of the cluster's DNS (default cluster.local)"),
  ignoreCluster: toggle("Without effect: the cluster is not asked", { hidden: true }),
  output: oneOf(["yaml", "json"], "Format of the profile", { short: "o" }),
};

export const profile = command({
  name: "profile",
  summary: "Print a service profile to begin with",
  usage: "(--template | --open-api FILE | --proto FILE) SERVICE",
  examples: [
    [
      "From a Swagger document",
      "profile -n emojivoto --open-api web.swagger web-svc | kubectl apply -f -",
    ],
    ["From a .proto file", "profile -n emojivoto --proto voting.proto voting-svc"],
  ],
  args: [1, 1],
  offers: "service",
  flags: FLAGS,
  run: async ({ args, flags, terminal }) => {
    const ns = flags.namespace ?? "default";
    const service = serviceName(args[0]!);
    const made: RawObject = {
      apiVersion: "linkerd.io/v1alpha2",
      kind: "ServiceProfile",
      metadata: {
        name: `${service}.${ns}.svc.${flags.clusterDomain ?? "cluster.local"}`,
        namespace: ns,
      },
      spec: specOf(flags),
    };
    const mistakes = mistakesOf(made);
    if (mistakes.length > 0) throw new Fault("bad-input", mistakes.join("\n"));
    terminal.print(printObjects([made], flags.output));
  },
});

function specOf({ template, openApi, proto }: Values<typeof FLAGS>): object {
  if ([template, openApi !== undefined, proto !== undefined].filter(Boolean).length !== 1)
    throw new Fault("bad-input", "give one of --template, --open-api and --proto");
  if (openApi !== undefined) return { routes: openApiRoutes(openApi, readTextFile(openApi)) };
  if (proto !== undefined) return { routes: protoRoutes(proto, readTextFile(proto)) };
  return TEMPLATE;
}

type Operation = {
  readonly responses?: Readonly<Record<string, unknown>>;
  readonly "x-linkerd-retryable"?: boolean;
  readonly "x-linkerd-timeout"?: string;
};
type OpenApi = {
  readonly basePath?: string;
  readonly servers?: readonly { readonly url?: string }[];
  readonly paths?: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

/** A route for each operation of a document; `name` is the document's in errors. */
export function openApiRoutes(name: string, text: string): object[] {
  let document: OpenApi;
  try {
    document = parse(text) as OpenApi;
  } catch (error) {
    throw new Fault("bad-input", `${name}: ${(error as Error).message}`);
  }
  if (typeof document?.paths !== "object")
    throw new Fault("bad-input", `${name} has no paths, as OpenAPI documents have`);
  const server = document.servers?.[0]?.url?.replace(/^[a-z]+:\/\/[^/]*/, "");
  const base = (document.basePath ?? server ?? "").replace(/\/$/, "");
  return Object.keys(document.paths)
    .sort()
    .flatMap((path) =>
      METHODS.flatMap((method) => {
        const operation = document.paths![path]![method];
        if (!operation) return [];
        const whole = base + path;
        const timeout = operation["x-linkerd-timeout"];
        const failures = failuresOf(operation);
        return [
          {
            name: `${method.toUpperCase()} ${whole}`,
            condition: { method: method.toUpperCase(), pathRegex: regexOf(whole) },
            ...(failures.length > 0 && { responseClasses: failures }),
            ...(operation["x-linkerd-retryable"] && { isRetryable: true }),
            ...(timeout !== undefined && { timeout }),
          },
        ];
      }),
    );
}

// "/users/{id}" takes any one segment in place of {id}.
function regexOf(path: string): string {
  return path
    .split(/(\{[^}]*\})/)
    .map((part) => (part.startsWith("{") ? "[^/]*" : part.replace(/[.*+?^$()|[\]\\]/g, "\\$&")))
    .join("");
}

function failuresOf({ responses = {} }: Operation): object[] {
  return Object.keys(responses)
    .map((status) => (/^5xx$/i.test(status) ? [500, 599] : [Number(status), Number(status)]))
    .filter(([status]) => status! >= 500)
    .map(([min, max]) => ({ condition: { status: { min, max } }, isFailure: true }));
}

/** A route for each method of the services of a .proto file. */
export function protoRoutes(name: string, text: string): object[] {
  const source = text.replaceAll(/\/\/.*$|\/\*[^]*?\*\//gm, "");
  const pkg = /^\s*package\s+([\w.]+)\s*;/m.exec(source)?.[1];
  const routes = [...source.matchAll(/\bservice\s+(\w+)\s*\{/g)].flatMap(
    ({ 1: service, index, 0: head }) =>
      [...bodyAt(source, index + head.length).matchAll(/\brpc\s+(\w+)\s*\(/g)].map(([, method]) => {
        const path = `/${pkg === undefined ? "" : `${pkg}.`}${service}/${method}`;
        return {
          name: `POST ${path}`,
          condition: { method: "POST", pathRegex: path.replaceAll(".", "\\.") },
        };
      }),
  );
  if (routes.length > 0) return routes;
  throw new Fault("bad-input", `${name} has no service with an rpc`);
}

/** The text up to the brace that closes what began before `from`. */
function bodyAt(source: string, from: number): string {
  let depth = 1;
  for (let at = from; at < source.length; at++) {
    if (source[at] === "{") depth++;
    else if (source[at] === "}" && --depth === 0) return source.slice(from, at);
  }
  return source.slice(from);
}

const TEMPLATE = {
  routes: [
    {
      name: "GET /authors/{id}",
      condition: { method: "GET", pathRegex: "/authors/[^/]*" },
      responseClasses: [{ condition: { status: { min: 500, max: 599 } }, isFailure: true }],
      isRetryable: true,
      timeout: "250ms",
    },
    {
      name: "POST /authors",
      condition: {
        all: [{ method: "POST" }, { pathRegex: "/authors" }, { not: { pathRegex: "/authors/.*" } }],
      },
    },
  ],
  retryBudget: { retryRatio: 0.2, minRetriesPerSecond: 10, ttl: "10s" },
};
