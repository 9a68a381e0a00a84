// Node's own HTTP, for whoever need not be fast at it. It is not imported: an import reads each export, and among those of
// node:http is a WebSocket that loads 11 MB and takes 40 ms.

/** The module node:http. */
export const nodeHttp = () => process.getBuiltinModule("node:http");

/** The module node:https, which loads TLS. */
export const nodeHttps = () => process.getBuiltinModule("node:https");
