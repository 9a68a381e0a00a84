// Asks a URL without pause from several sides, and tells on port 9000 how many requests ended and why some failed.

import { createServer } from "node:http";
import { load } from "./load.ts";

const [url = "", workers = "4"] = process.argv.slice(2);
const running = load(url, Number(workers), 5);
createServer((_req, rsp) => {
  rsp.end(JSON.stringify({ total: running.total, failures: running.failures }));
}).listen(9000);
process.once("SIGTERM", () => process.exit());
