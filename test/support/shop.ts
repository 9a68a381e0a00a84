// Workloads for tests of whole meshes: small HTTP servers that say who calls them, and pass calls on.

import { resolve } from "node:path";

/** The words that start one of our programs from its sources. */
export function programArgv(...words: string[]): string[] {
  return [process.execPath, resolve(import.meta.dirname, "../../src/main.ts"), ...words];
}

// Answers who calls it, or passes the call on to what the variable says that the path names.
const SERVER = `
const http = require("node:http");
const { HOST, PORT, NAME } = process.env;
http.createServer(async (req, rsp) => {
  const up = process.env[req.url.slice(1)];
  if (up === undefined) return rsp.end(NAME + " called by " + (req.headers["l5d-client-id"] ?? "nobody"));
  const answer = await fetch(up, { headers: JSON.parse(process.env.HEADERS ?? "{}") });
  rsp.writeHead(answer.status).end(await answer.text());
}).listen(PORT, HOST);
process.on("SIGTERM", () => process.exit(0));
`;

/** A Deployment and a Service of that name in namespace `shop`; `env` and `annotations` are YAML. */
export function workload(name: string, more: { env?: string; annotations?: string } = {}): string {
  const { env = "", annotations = "{}" } = more;
  return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}, namespace: shop}
spec:
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}, annotations: ${annotations}}
    spec:
      serviceAccountName: ${name}
      containers:
        - name: ${name}
          command: [node, -e, ${JSON.stringify(SERVER)}]
          env: [{name: PORT, value: "8080"}, {name: NAME, value: ${name}}${env}]
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {tcpSocket: {port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: shop}
spec: {selector: {app: ${name}}, ports: [{port: 80, targetPort: http}]}
`;
}

/** The identity of an account in namespace `shop`. */
export function identity(account: string): string {
  return `${account}.shop.serviceaccount.identity.linkerd.cluster.local`;
}
