// A database whose server speaks first, as MySQL's does: a greeting packet (three bytes of length, one of number), and
// then an answer to each line. On the ports that the command line names.

import { createServer } from "node:net";

const VERSION = "5.7.0-ledger\0";
const greeting = Buffer.from([VERSION.length + 1, 0, 0, 0, 10, ...Buffer.from(VERSION)]);

for (const port of process.argv.slice(2).map(Number)) {
  createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.write(greeting);
    socket.on("data", (line) => socket.write(`noted ${String(line)}`));
  }).listen(port);
}
process.once("SIGTERM", () => process.exit());
