// An HTTP server that says who it is. On SIGTERM it answers what it has and ends, as a well-behaved one does.

import { createServer } from "node:http";
import { hostname } from "node:os";

const server = createServer((req, rsp) => {
  req.resume();
  rsp.end(`${hostname()}\n`);
});
server.listen(8080);
process.once("SIGTERM", () => server.close());
