// Reads HTTP/1.1 messages as RFC 9112 writes them and not one byte more freely. It is what grades a proxy: whatever it
// forwards has to pass here. `ambiguous` is what two readers may cut or route differently, `malformed` what is merely
// against the grammar. It knows nothing of the proxy's own parser, on purpose.

export type Message = {
  /** "GET /a HTTP/1.1" or "HTTP/1.1 200 OK". */
  readonly start: string;
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
  readonly trailers: readonly (readonly [name: string, value: string])[];
};

export type Graded =
  | { readonly kind: "whole"; readonly message: Message; readonly used: number }
  | { readonly kind: "partial" }
  | { readonly kind: "malformed" | "ambiguous"; readonly why: string };

/** What is wrong with a message. */
class Flaw extends Error {
  readonly kind: "malformed" | "ambiguous";

  constructor(kind: "malformed" | "ambiguous", why: string) {
    super(why);
    this.kind = kind;
  }
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7E\x80-\xFF]*$/;
const TARGET =
  /^(?:\/[\x21-\x7E]*|\*|https?:\/\/[\x21-\x7E]+|(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\]):\d+)$/;
const HOST = /^(?:[A-Za-z0-9._~%!$&'()*+,;=-]+|\[[0-9A-Fa-f:.]+\])?(?::\d{0,5})?$/;
const SIZE =
  /^[0-9A-Fa-f]{1,15}(?:[\t ]*;[\t ]*[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+|"[^"\p{Cc}]*"))?)*$/u;
/** Names that some servers take for the real ones, since they make variables of them (RFC 3875 §4.1.18). */
const LOOKALIKE = /^(?:transfer_encoding|content_length)$/i;

/** The first request of `bytes`. */
export function gradeRequest(bytes: Buffer): Graded {
  return grade(bytes, (lines) => {
    const start = lines[0]!;
    const [method = "", target = "", version = "", ...more] = start.split(" ");
    if (more.length > 0 || !/^HTTP\/1\.[01]$/.test(version)) malformed(`request line ${start}`);
    if (!TOKEN.test(method)) malformed(`method ${method}`);
    if (!TARGET.test(target)) malformed(`target ${target}`);
    const fields = fieldsOf(lines.slice(1));
    const hosts = valuesOf(fields, "host");
    if (hosts.length > 1) ambiguous("many Host fields");
    if (hosts.length === 0 && version === "HTTP/1.1") ambiguous("no Host");
    if (hosts.some((host) => !HOST.test(host))) ambiguous(`Host ${hosts[0]}`);
    const absolute = /^https?:\/\/([^/?#]*)/.exec(target)?.[1];
    if (absolute !== undefined && absolute.toLowerCase() !== hosts[0]?.toLowerCase())
      ambiguous(`target ${target} and Host ${hosts[0]}`);
    const framing = framingOf(fields, version);
    return { start, method, target, fields, framing: framing === "close" ? 0 : framing };
  });
}

/** The first response of `bytes`, to a request with `method`; without length it goes to the end of the connection. */
export function gradeResponse(bytes: Buffer, method: string): Graded {
  return grade(bytes, (lines) => {
    const start = lines[0]!;
    const status = /^HTTP\/1\.1 ([1-9]\d\d) [\t\x20-\x7E\x80-\xFF]*$/.exec(start)?.[1];
    if (status === undefined) malformed(`status line ${start}`);
    const fields = fieldsOf(lines.slice(1));
    const code = Number(status);
    const bodiless = code < 200 || code === 204 || code === 304 || method === "HEAD";
    if (code < 200 || code === 204) {
      for (const name of ["content-length", "transfer-encoding"])
        if (valuesOf(fields, name).length > 0) ambiguous(`${name} in a ${code}`);
    }
    const framing = framingOf(fields, "HTTP/1.1");
    return { start, method: "", target: "", fields, framing: bodiless ? 0 : framing };
  });
}

type Head = Pick<Message, "start" | "method" | "target" | "fields"> & {
  readonly framing: number | "chunked" | "close";
};

function grade(bytes: Buffer, headOf: (lines: string[]) => Head): Graded {
  const text = bytes.toString("latin1");
  const end = text.indexOf("\r\n\r\n");
  try {
    const section = end < 0 ? text : text.slice(0, end);
    // A bare CR or LF ends a line for some readers; a CR at the very end may yet get its LF.
    if (/\r(?!\n|$)|(?<!\r)\n/.test(section)) ambiguous("a bare CR or LF");
    if (section.includes("\0")) ambiguous("NUL");
    if (end < 0) return { kind: "partial" };
    const { framing, ...head } = headOf(section.split("\r\n"));
    const begin = end + 4;
    if (framing === "chunked") return chunked(bytes, text, begin, head);
    const length = framing === "close" ? bytes.length - begin : framing;
    if (bytes.length < begin + length) return { kind: "partial" };
    const body = bytes.subarray(begin, begin + length);
    return { kind: "whole", message: { ...head, body, trailers: [] }, used: begin + length };
  } catch (flaw) {
    if (flaw instanceof Flaw) return { kind: flaw.kind, why: flaw.message };
    throw flaw;
  }
}

function chunked(bytes: Buffer, text: string, begin: number, head: Omit<Head, "framing">): Graded {
  const chunks: Buffer[] = [];
  for (let at = begin; ;) {
    const eol = text.indexOf("\r\n", at);
    const line = eol < 0 ? text.slice(at) : text.slice(at, eol);
    if (/[\r\n]/.test(eol < 0 ? line.replace(/\r$/, "") : line))
      ambiguous("a bare CR or LF in a chunk line");
    if (eol < 0) return { kind: "partial" };
    if (!SIZE.test(line)) ambiguous(`chunk line ${JSON.stringify(line)}`);
    const size = Number.parseInt(line, 16);
    at = eol + 2;
    if (size === 0) return trailersOf(text, at, { ...head, body: Buffer.concat(chunks) });
    if (bytes.length < at + size + 2) return { kind: "partial" };
    if (text.slice(at + size, at + size + 2) !== "\r\n")
      ambiguous("a chunk that does not end in CRLF");
    chunks.push(bytes.subarray(at, at + size));
    at += size + 2;
  }
}

function trailersOf(text: string, at: number, message: Omit<Message, "trailers">): Graded {
  if (text.startsWith("\r\n", at))
    return { kind: "whole", message: { ...message, trailers: [] }, used: at + 2 };
  const end = text.indexOf("\r\n\r\n", at);
  if (end < 0) return { kind: "partial" };
  const section = text.slice(at, end);
  if (/\r(?!\n)|(?<!\r)\n|\0/.test(section)) ambiguous("a bare CR, LF or NUL in trailers");
  const trailers = fieldsOf(section.split("\r\n"));
  for (const name of ["content-length", "transfer-encoding", "host"])
    if (valuesOf(trailers, name).length > 0) ambiguous(`${name} as a trailer`);
  return { kind: "whole", message: { ...message, trailers }, used: end + 4 };
}

function fieldsOf(lines: readonly string[]): (readonly [string, string])[] {
  return lines.map((line) => {
    if (/^[ \t]/.test(line)) ambiguous("a folded line");
    const colon = line.indexOf(":");
    if (colon < 0) malformed(`a field line without colon, ${line}`);
    const name = line.slice(0, colon);
    if (/[ \t]$/.test(name)) ambiguous(`a blank before the colon of ${name}`);
    if (LOOKALIKE.test(name)) ambiguous(`the name ${name}`);
    if (!TOKEN.test(name)) malformed(`the name ${name}`);
    const value = line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, "");
    if (!VALUE.test(value)) malformed(`the value of ${name}`);
    return [name, value] as const;
  });
}

function framingOf(fields: Message["fields"], version: string): number | "chunked" | "close" {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (lengths.length + codings.length > 1) ambiguous("more than one field that says the length");
  if (codings.length > 0) {
    if (codings[0]!.toLowerCase() !== "chunked") ambiguous(`Transfer-Encoding ${codings[0]}`);
    if (version === "HTTP/1.0") ambiguous("Transfer-Encoding in HTTP/1.0");
    return "chunked";
  }
  if (lengths.length === 0) return "close";
  if (!/^\d{1,15}$/.test(lengths[0]!)) ambiguous(`Content-Length ${lengths[0]}`);
  return Number(lengths[0]);
}

/** The values of the field `name` (lower-case). */
export function valuesOf(fields: Message["fields"], name: string): string[] {
  return fields.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

function malformed(why: string): never {
  throw new Flaw("malformed", why);
}

function ambiguous(why: string): never {
  throw new Flaw("ambiguous", why);
}
