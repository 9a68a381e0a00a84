// The application of the tests of bulk: it takes and sends as much as it is asked for, and says what it has seen.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

const { HOST, PORT } = process.env;
const CHUNK = Buffer.alloc(256 * 1024, "0123456789abcdef");

/** Bytes of the last download that have been written, and how requests ended. */
const seen = { written: 0, complete: 0, aborted: 0 };

const server = createServer((req, rsp) => {
  const { pathname, searchParams } = new URL(req.url!, "http://bulk");
  if (pathname === "/seen") rsp.end(JSON.stringify(seen));
  else if (pathname === "/down") send(rsp, Number(searchParams.get("bytes")));
  else take(req, rsp);
});

function take(req: IncomingMessage, rsp: ServerResponse): void {
  let taken = 0;
  req.on("data", (chunk: Buffer) => (taken += chunk.length));
  req.on("end", () => {
    seen.complete += 1;
    rsp.end(String(taken));
  });
  req.on("error", () => {
    seen.aborted += 1;
  });
}

function send(rsp: ServerResponse, bytes: number): void {
  seen.written = 0;
  const more = (): void => {
    while (seen.written < bytes) {
      const chunk = CHUNK.subarray(0, bytes - seen.written);
      seen.written += chunk.length;
      if (!rsp.write(chunk)) return void rsp.once("drain", more);
    }
    rsp.end();
  };
  more();
}

server.listen(Number(PORT), HOST);
process.on("SIGTERM", () => process.exit(0));
