// A backend for the examples: answers with its name and what it was sent. `/status/N` is answered with that status,
// `/slow/MS` after that time.
//
//   node examples/router/backend.ts 9001 web

import http from "node:http";

const [port = "9001", name = "web"] = process.argv.slice(2);

http
  .createServer((req, rsp) => {
    const { method, url = "/", headers } = req;
    const [, status] = /^\/status\/(\d{3})/.exec(url) ?? [];
    const [, slow] = /^\/slow\/(\d+)/.exec(url) ?? [];
    setTimeout(
      () => {
        rsp.writeHead(Number(status ?? 200), { "content-type": "application/json" });
        rsp.end(`${JSON.stringify({ name, method, url, headers }, undefined, 2)}\n`);
      },
      Number(slow ?? 0),
    );
  })
  .listen(Number(port), "127.0.0.1", () => console.log(`${name} on 127.0.0.1:${port}`));
