// Routes from requests that were tapped: which count, and how they are written.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import {
  TapEvent_ProxyDirection as Direction,
  TapEventSchema,
} from "../../proto/gen/viz/viz_tap_pb.js";
import { HttpMethod_Registered as Method } from "../../proto/gen/viz/viz_pb.js";
import { Routes } from "./vizprofile.ts";

const request = (path: string, proxyDirection = Direction.INBOUND) =>
  create(TapEventSchema, {
    proxyDirection,
    event: {
      case: "http",
      value: {
        event: {
          case: "requestInit",
          value: { method: { type: { case: "registered", value: Method.GET } }, path },
        },
      },
    },
  });

test("a route for each path that is asked for, whatever its query", () => {
  const routes = new Routes();
  for (const path of ["/b", "/a.txt?x=1", "/a.txt?x=2"]) routes.see(request(path));
  routes.see(request("/elsewhere", Direction.OUTBOUND));
  assert.equal(routes.size, 2);
  assert.deepEqual(routes.profile("web.shop.svc.cluster.local", "shop"), {
    apiVersion: "linkerd.io/v1alpha2",
    kind: "ServiceProfile",
    metadata: { name: "web.shop.svc.cluster.local", namespace: "shop" },
    spec: {
      routes: [
        { name: "GET /a.txt", condition: { method: "GET", pathRegex: "/a\\.txt" } },
        { name: "GET /b", condition: { method: "GET", pathRegex: "/b" } },
      ],
    },
  });
});
