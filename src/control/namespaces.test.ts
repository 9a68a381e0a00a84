// Whose annotations a pod gets that is made together with its namespace.

import assert from "node:assert/strict";
import { test } from "node:test";
import { worldFrom } from "../../test/support/world.ts";
import { Fault } from "../base/fault.ts";
import { findAnnotations } from "./namespaces.ts";

const KNOWN = `
apiVersion: v1
kind: Namespace
metadata: {name: old, annotations: {linkerd.io/inject: enabled}}
`;

test("a namespace that is too new to be known is asked for", async () => {
  const asked: string[] = [];
  const api = {
    request: async <T>(path: string): Promise<T> => {
      asked.push(path);
      if (path.endsWith("/new")) return { metadata: { annotations: { a: "b" } } } as T;
      throw new Fault("not-found", "there is none");
    },
  };
  const annotationsOf = findAnnotations(api, () => worldFrom(KNOWN).Namespace);
  assert.deepEqual(await annotationsOf("old"), { "linkerd.io/inject": "enabled" });
  assert.deepEqual(await annotationsOf("new"), { a: "b" });
  assert.deepEqual(await annotationsOf("gone"), {});
  assert.deepEqual(asked, ["/api/v1/namespaces/new", "/api/v1/namespaces/gone"]);
});
