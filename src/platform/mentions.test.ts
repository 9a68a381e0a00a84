// Names of services are found where people write them, and nowhere else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { mentions, replaceMentions } from "./mentions.ts";

const services = new Map([
  ["emojivoto/emoji-svc", [8080]],
  ["emojivoto/web-svc", [80, 443]],
  ["shop/cache", [6379]],
]);

const replaced = (text: string): string =>
  replaceMentions(text, "emojivoto", services, ({ service, port }) => `<${service}:${port}>`);

test("every form of a service's name is found", () => {
  const emoji = "<emojivoto/emoji-svc:8080>";
  assert.equal(replaced("emoji-svc:8080"), emoji);
  assert.equal(replaced("emoji-svc.emojivoto:8080"), emoji);
  assert.equal(replaced("emoji-svc.emojivoto.svc:8080"), emoji);
  assert.equal(replaced("emoji-svc.emojivoto.svc.cluster.local:8080"), emoji);
  assert.equal(replaced("emoji-svc.emojivoto.svc.cluster.local.:8080"), emoji);
  assert.equal(replaced("redis://user@cache.shop:6379/0"), "redis://user@<shop/cache:6379>/0");
  assert.equal(replaced("http://web-svc/a?b"), "http://<emojivoto/web-svc:80>/a?b");
  assert.equal(replaced("https://web-svc"), "https://<emojivoto/web-svc:443>");
  assert.equal(
    replaced("--peers=emoji-svc:8080,cache.shop:6379"),
    `--peers=${emoji},<shop/cache:6379>`,
  );
});

test("what only looks like one stays", () => {
  for (const text of [
    "emoji-svc",
    "emoji-svc:8081",
    "emoji-svc:80800",
    "my-emoji-svc:8080",
    "emoji-svc.other:8080",
    "emoji-svc.emojivoto.example.com:8080",
    "cache:6379",
    "grpc://web-svc/",
    "x.emoji-svc.emojivoto:8080",
    "127.0.0.1:8080",
  ]) {
    assert.equal(replaced(text), text);
  }
});

test("mentions are listed once and in order", () => {
  const texts = ["web-svc:80", "emoji-svc:8080 web-svc.emojivoto:80"];
  assert.deepEqual(mentions(texts, "emojivoto", services), [
    { service: "emojivoto/emoji-svc", port: 8080 },
    { service: "emojivoto/web-svc", port: 80 },
  ]);
});
