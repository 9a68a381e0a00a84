// Work that has an end: three entries in the ledger. With the word `shutdown` it ends its proxy as well, which a
// sidecar that is an ordinary container needs.

import { once } from "node:events";
import { connect } from "node:net";

for (const entry of ["one", "two", "three"]) {
  const socket = connect(3306, "ledger");
  await once(socket, "data");
  socket.end(`${entry}\n`);
  const [answer] = (await once(socket, "data")) as [Buffer];
  process.stdout.write(answer);
}
if (process.argv[2] === "shutdown")
  await fetch("http://localhost:4191/shutdown", { method: "POST" });
