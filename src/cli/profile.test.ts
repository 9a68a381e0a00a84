// Profiles from documents: names, conditions and failures as Linkerd's generator makes them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { openApiRoutes, protoRoutes } from "./profile.ts";

test("an OpenAPI document gives a route for each operation", () => {
  const routes = openApiRoutes(
    "api.yaml",
    `
basePath: /v1
paths:
  /books/{id}.json:
    get: {responses: {"200": {}, "500": {}, 5xx: {}}, x-linkerd-retryable: true, x-linkerd-timeout: 1s}
  /books:
    post: {}
`,
  );
  assert.deepEqual(routes, [
    { name: "POST /v1/books", condition: { method: "POST", pathRegex: "/v1/books" } },
    {
      name: "GET /v1/books/{id}.json",
      condition: { method: "GET", pathRegex: "/v1/books/[^/]*\\.json" },
      responseClasses: [
        { condition: { status: { min: 500, max: 500 } }, isFailure: true },
        { condition: { status: { min: 500, max: 599 } }, isFailure: true },
      ],
      isRetryable: true,
      timeout: "1s",
    },
  ]);
  assert.throws(() => openApiRoutes("x.yaml", "a: 1"), /x.yaml has no paths/);
});

test("a .proto file gives a route for each method", () => {
  const proto = `
    package a.v1; // service Not { rpc This (A) }
    service Voting {
      rpc Vote (Ballot) returns (Ack) { option (x) = { y: 1 }; }
      rpc Results (Empty) returns (stream Tally);
    }`;
  assert.deepEqual(protoRoutes("v.proto", proto), [
    {
      name: "POST /a.v1.Voting/Vote",
      condition: { method: "POST", pathRegex: "/a\\.v1\\.Voting/Vote" },
    },
    {
      name: "POST /a.v1.Voting/Results",
      condition: { method: "POST", pathRegex: "/a\\.v1\\.Voting/Results" },
    },
  ]);
  assert.throws(() => protoRoutes("v.proto", "message A {}"), /v.proto has no service/);
});
