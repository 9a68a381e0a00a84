// Asks a URL again and again from two sides, and tells on port 9000 how many requests ended and why some failed.
import { createServer } from "node:http";
import { load } from "./load.ts";

const [url = ""] = process.argv.slice(2);
const running = load(url, 2, 30);
createServer((_req, rsp) => {
  rsp.end(JSON.stringify({ total: running.total, failures: running.failures }));
}).listen(9000);
process.once("SIGTERM", () => process.exit());
