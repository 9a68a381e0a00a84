// Raw HTTP/1 responses, well and badly made, as a server behind the proxy sends them. A `|` is CRLF. What is bad must
// reach no client as if it were good, and what lies behind a response must reach no other request.

export type ResponseCase = {
  readonly name: string;
  /** `refuse`: the client gets 502 or a broken connection; `forward`: it gets this status and body. */
  readonly expect: "refuse" | "forward" | "either";
  readonly method: string;
  readonly bytes: string;
  /** Whether the server closes the connection behind it. */
  readonly close: boolean;
  readonly status: number;
  readonly body: string;
};

type Group = {
  readonly name: string;
  readonly expect: ResponseCase["expect"];
  readonly frame: string;
  readonly method?: string;
  readonly close?: boolean;
  readonly status?: number;
  readonly body?: string;
  readonly cases: readonly string[];
};

const LINE = "@|Content-Length: 3||abc";
const FIELD = "HTTP/1.1 200 OK|@|Content-Length: 3||abc";
const LENGTH = "HTTP/1.1 200 OK|@||abc";
const CHUNKS = "HTTP/1.1 200 OK|Transfer-Encoding: chunked||@";

// oxfmt-ignore
const groups: readonly Group[] = [
  { name: "status line", expect: "refuse", frame: LINE, cases: [
    "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000 OK", "HTTP/1.1 abc OK", "HTTP/1.1 -200 OK", "HTTP/1.1 +20 OK", "HTTP/1.1 0200 OK", "HTTP/1.1 099 OK", "HTTP/1.1 000 OK",
    "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\x00OK", "HTTP/1.1 200 \x00", "HTTP/1.1 200 a\x01b", "HTTP/1.1 200 a\rb", "HTTP/1.1 200 a\nb", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK",
    "HTTP/1.11 200 OK", "http/1.1 200 OK", "HTTPS/1.1 200 OK", " HTTP/1.1 200 OK", "ICY 200 OK", "SSH-2.0-x", "GET / HTTP/1.1", "HTTP/1.1 2 0 OK", "HTTP/1.1 200.0 OK", "HTTP/1.1 \xB200 OK",
    "HTTP/1.1 200 OK\r", "HTTP/1.1 200 OK\n X: y",
  ] },
  { name: "status line, unusual", expect: "either", frame: LINE, status: 0, cases: [
    "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 \xE9", "HTTP/1.1 299 Fine", "HTTP/1.1 599 x", "HTTP/1.1 600 x", "HTTP/1.1 999 x", "HTTP/1.0 200 OK", "HTTP/1.2 200 OK", "HTTP/1.1 404 Not Found",
  ] },
  { name: "field line", expect: "refuse", frame: FIELD, cases: [
    "X : y", "X\t: y", " X: y", "X: y| z", "X: y|\tz", "X", "X y", ": y", "X\x00: y", "X: \x00", "X: a\x01b", "X: a\x7Fb", "X: a\rb", "X: a\nY: b", "X(: y", "X/: y", "X\xE9: y", "X Y: z", "X: y\r", "\nX: y",
    "X: y\n", "X: a\r\r\nY: b", "HTTP/1.1 200 OK", "Set-Cookie: a=\x0Bb",
  ] },
  { name: "field line, unusual", expect: "either", frame: FIELD, cases: [
    "X:", "X: \xE9", "X: a\tb", "X:y", "Connection: close", "Connection: X|X: y", "Keep-Alive: timeout=1", "Proxy-Connection: close", "Upgrade: h2c", "Trailer: X", "Set-Cookie: a=b|Set-Cookie: c=d", "l5d-proxy-error: x",
    "Proxy-Authenticate: Basic", "Connection: Content-Length", "TE: trailers",
  ] },
  { name: "length", expect: "refuse", frame: LENGTH, cases: [
    "Content-Length: +3", "Content-Length: -3", "Content-Length: 3 3", "Content-Length: 0x3", "Content-Length: 3.0", "Content-Length: abc", "Content-Length: ", "Content-Length: 3,4", "Content-Length: 3\x0B", "Content-Length: \x003",
    "Content-Length: 3|Content-Length: 4", "Content-Length: 4|Content-Length: 3", "Content-Length : 3", "Content-Length:| 3", "Content-Length: 18446744073709551619", "Content-Length: 99999999999999999999999",
    "Content-Length: 3|Transfer-Encoding: chunked", "Transfer-Encoding: chunked|Content-Length: 3", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: gzip|Content-Length: 3", "Transfer-Encoding: chunked|Transfer-Encoding: chunked", "Transfer-Encoding : chunked", "Transfer-Encoding:| chunked", "Transfer-Encoding: \x0Bchunked",
    "X: y\nContent-Length: 3", "X: y\rContent-Length: 3",
  ] },
  { name: "length, said twice alike", expect: "either", frame: LENGTH, cases: [
    "Content-Length: 3|Content-Length: 3", "Content-Length: 3, 3", "Content-Length: 03",
  ] },
  { name: "chunk", expect: "refuse", frame: CHUNKS, close: true, cases: [
    "3 |abc|0||", " 3|abc|0||", "0x3|abc|0||", "+3|abc|0||", "-3|abc|0||", "g|abc|0||", "|abc|0||", "10000000000000003|abc|0||", "3\nabc|0||", "3|abc\n0||", "3|abcd|0||", "3|ab|0||", "3|abc0||", "3|abc|-0||", "3|abc|0\n\n",
    "3;a\nb|abc|0||", "3;\x00|abc|0||", "3|abc|0|X : y||", "3|abc|0|X: y\nZ: z||", "3|abc|0|colonless||", "3|abc|0|X: \x00||", "3|abc|0|X: y| z||",
  ] },
  { name: "cut short", expect: "refuse", frame: "@", close: true, cases: [
    "HTTP/1.1 200 OK|Content-Length: 3||", "HTTP/1.1 200 OK|Content-Length: 3||ab", "HTTP/1.1 200 OK|Content-Le", "HTTP/1.1 200", "H", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|ab",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0|", "HTTP/1.1 200 OK|Transfer-Encoding: chunked||3|abc|0|X: y|", "HTTP/1.1 100 Continue||",
  ] },
  { name: "interim, bad", expect: "refuse", frame: "@|Content-Length: 3||abc", cases: [
    "HTTP/1.1 101 Switching Protocols||HTTP/1.1 200 OK", "HTTP/1.1 101 Switching Protocols|Upgrade: x|Connection: upgrade||HTTP/1.1 200 OK",
  ] },
  { name: "interim", expect: "either", frame: "@|Content-Length: 3||abc", cases: [
    "HTTP/1.1 100 Continue||HTTP/1.1 200 OK", "HTTP/1.1 102 Processing||HTTP/1.1 103 Early Hints|Link: </a>||HTTP/1.1 200 OK", "HTTP/1.1 199 x||HTTP/1.1 200 OK",
    "HTTP/1.1 103 Early Hints|Content-Length: 5||HTTP/1.1 200 OK", "HTTP/1.1 100 Continue|Transfer-Encoding: chunked||HTTP/1.1 200 OK",
    `${"HTTP/1.1 103 Early Hints|Link: </a>||".repeat(2_000)}HTTP/1.1 200 OK`,
  ] },
  { name: "more than was asked for", expect: "either", frame: "HTTP/1.1 @", cases: [
    "200 OK|Content-Length: 3||abcHTTP/1.1 200 OK|Content-Length: 4||evil", "200 OK|Content-Length: 0||HTTP/1.1 200 OK|Content-Length: 4||evil", "204 No Content||HTTP/1.1 200 OK|Content-Length: 4||evil",
    "304 Not Modified||HTTP/1.1 200 OK|Content-Length: 4||evil", "200 OK|Transfer-Encoding: chunked||3|abc|0||HTTP/1.1 200 OK|Content-Length: 4||evil", "204 No Content|Content-Length: 4||evil",
    "304 Not Modified|Content-Length: 4||evil", "205 Reset Content|Content-Length: 4||evil", "200 OK|Content-Length: 3||abc|", "200 OK|Content-Length: 3||abcjunk", "204 No Content|Transfer-Encoding: chunked||4|evil|0||",
  ] },
  { name: "more than was asked for, HEAD", method: "HEAD", expect: "either", frame: "HTTP/1.1 @", cases: [
    "200 OK|Content-Length: 4||evil", "200 OK|Transfer-Encoding: chunked||4|evil|0||", "200 OK|Content-Length: 3||HTTP/1.1 200 OK|Content-Length: 4||evil", "204 No Content||evil", "200 OK||evil",
  ] },
  { name: "larger than anybody wants", expect: "refuse", frame: FIELD, cases: [
    `X: ${"a".repeat(2_000_000)}`, `${"a".repeat(2_000_000)}: y`, Array.from({ length: 100_000 }, (_, n) => `X${n}: y`).join("|"),
  ] },
  { name: "good", expect: "forward", frame: "HTTP/1.1 200 OK@", body: "abc", cases: [
    "|Content-Length: 3||abc", "|content-length:3||abc", "|Transfer-Encoding: chunked||3|abc|0||", "|Transfer-Encoding: chunked||1|a|2|bc|0|X-T: y||", "|Transfer-Encoding: Chunked||03|abc|00||",
  ] },
  { name: "good, until the end of the connection", expect: "forward", close: true, frame: "HTTP/1.1 200 OK@", body: "abc", cases: [
    "||abc", "|Connection: close||abc", "|Connection: close|Content-Length: 3||abc", "|X: y||abc",
  ] },
  { name: "good, HEAD", expect: "forward", method: "HEAD", frame: "HTTP/1.1 200 OK|@||", cases: ["Content-Length: 4", "Transfer-Encoding: chunked", "X: y"] },
  { name: "good, without body", expect: "forward", status: 204, frame: "HTTP/1.1 204 No Content@||", cases: ["", "|X: y"] },
  { name: "good, not modified", expect: "forward", status: 304, frame: "HTTP/1.1 304 Not Modified@||", cases: ["", "|Content-Length: 4", "|ETag: \"a\""] },
];

/** All cases; names are unique. */
export const RESPONSES: readonly ResponseCase[] = groups.flatMap(
  ({ name, expect, frame, method = "GET", close = false, status = 200, body = "", cases }) =>
    cases.map((it) => ({
      name: `${name}: ${JSON.stringify(it.length > 80 ? `${it.slice(0, 80)}… (${it.length})` : it)}`,
      expect,
      method,
      close,
      status,
      body,
      bytes: frame.replace("@", () => it).replaceAll("|", "\r\n"),
    })),
);
