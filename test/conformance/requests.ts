// Raw HTTP/1 requests, well and badly made: every way known to us in which two servers may read one request differently
// (RFC 9112, and what has been published on request smuggling), and its harmless neighbours. A `|` is CRLF; all else
// stands as it is sent. Groups share a frame, in which `@` is the case.

/** What has to become of a case: refused before it is sent on, or sent on cleaned, or either of the two. */
export type Expect = "reject" | "forward" | "either";

type Group = {
  readonly name: string;
  readonly expect: Expect;
  readonly frame: string;
  /** How many requests a strict reader finds. */
  readonly count?: number;
  readonly cases: readonly string[];
};

export type Case = {
  readonly name: string;
  readonly expect: Expect;
  readonly bytes: string;
  readonly count: number;
};

const GET = "GET /it HTTP/1.1|Host: h|@||";
const POST = "POST /it HTTP/1.1|Host: h|@||abc";
const FRAMED = "POST /it HTTP/1.1|Host: h|@||3|abc|0||";
const CHUNKS = "POST /it HTTP/1.1|Host: h|Transfer-Encoding: chunked||@";
const LINE = "@|Host: h||";
const HOST = "GET /it HTTP/1.1|@||";

// oxfmt-ignore
const groups: readonly Group[] = [
  { name: "both lengths", expect: "reject", frame: FRAMED, cases: [
    "Content-Length: 3|Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked|Content-Length: 13",
    "Transfer-Encoding: chunked|Content-Length: 0",
    "content-length: 0|transfer-encoding: CHUNKED",
    "Content-Length: 3|Transfer-Encoding: identity",
    "Content-Length: 3|Transfer-Encoding: ",
    "Content-Length: |Transfer-Encoding: chunked",
    "Content-Length: 3|Content-Length: 3|Transfer-Encoding: chunked",
    "Content-Length: 3|X: y|Transfer-Encoding: chunked|X: z",
  ] },
  { name: "transfer-encoding", expect: "reject", frame: FRAMED, cases: [
    "Transfer-Encoding: xchunked", "Transfer-Encoding: chunkedx", "Transfer-Encoding: chunk",
    "Transfer-Encoding: identity", "Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: chunked|Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked|Transfer-Encoding: identity", "Transfer-Encoding: identity|Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: deflate|Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked;q=1", "Transfer-Encoding: \"chunked\"", "Transfer-Encoding: 'chunked'",
    "Transfer-Encoding: ch\x00unked", "Transfer-Encoding: \x00chunked", "Transfer-Encoding: chunked\x00",
    "Transfer-Encoding: \x0Bchunked", "Transfer-Encoding: chunked\x0B", "Transfer-Encoding: \x0Cchunked",
    "Transfer-Encoding: chunked\x0C", "Transfer-Encoding: \x85chunked", "Transfer-Encoding: chunked\xA0",
    "Transfer-Encoding: chun ked", "Transfer-Encoding: x chunked", "Transfer-Encoding: chunked x",
    "Transfer-Encoding: c\xE8unked", "Transfer-Encoding : chunked", "Transfer-Encoding\t: chunked",
    "Transfer-Encoding\x00: chunked", "Transfer-Encoding\x0B: chunked", "\x00Transfer-Encoding: chunked",
    "Transfer Encoding: chunked", "Transfer-\rEncoding: chunked", "Transfer-\nEncoding: chunked",
    "X: y\nTransfer-Encoding: chunked", "X: y\rTransfer-Encoding: chunked", "X: y\r\rTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\nX: y", "Transfer-Encoding: chunked\rX: y",
    "Transfer-Encoding:| chunked", "Transfer-Encoding:|\tchunked", "Transfer-Encoding: chunked| x", "Transfer-Encoding: x| , chunked",
    "X: y| Transfer-Encoding: chunked", "Transfer-Encoding: false|Transfer-Encoding: chunked",
    "Transfer-Encoding: chunked=1", "Transfer-Encoding:: chunked", "Transfer-Encoding: trailers, chunked",
  ] },
  { name: "transfer-encoding, more than one way to say so", expect: "either", frame: FRAMED, cases: [
    "Transfer-Encoding: chunked,", "Transfer-Encoding: ,chunked", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: \t chunked \t ", "tRANSFER-eNCODING: chunked", "Transfer-Encoding: Chunked",
  ] },
  { name: "transfer-encoding, look-alikes", expect: "either", frame: POST, cases: [
    "Content-Length: 3|Transfer_Encoding: chunked", "Content-Length: 3|Transfer.Encoding: chunked",
    "Content-Length: 3|X-Transfer-Encoding: chunked", "Content-Length: 3|Transfer-Encodings: chunked",
    "Content-Length: 3|Content_Length: 0", "Content-Length: 3|TE: chunked",
    "Content-Length: 3|Transfer!Encoding: chunked", "Content-Length: 3|Content.Length: 0",
  ] },
  { name: "transfer-encoding in HTTP/1.0", expect: "reject", frame: "POST /it HTTP/1.0|Host: h|@||3|abc|0||", cases: [
    "Transfer-Encoding: chunked", "Connection: keep-alive|Transfer-Encoding: chunked",
  ] },
  { name: "content-length", expect: "reject", frame: POST, cases: [
    "Content-Length: +3", "Content-Length: -3", "Content-Length: 3 3", "Content-Length: 3,3", "Content-Length: 3, 3",
    "Content-Length: 3, 4", "Content-Length: 0x3", "Content-Length: 3.0", "Content-Length: 3e0", "Content-Length: abc",
    "Content-Length: 3abc", "Content-Length: ", "Content-Length:", "Content-Length: ,", "Content-Length: 3,",
    "Content-Length: 3;", "Content-Length: '3'", "Content-Length: \"3\"", "Content-Length: 3\x0B", "Content-Length: \x0B3",
    "Content-Length: \x0C3", "Content-Length: 3\x00", "Content-Length: \x003", "Content-Length: \xB3",
    "Content-Length: \xD9\xA3", "Content-Length: 1_0", "Content-Length: 3\xA0", "Content-Length: 99999999999999999999999",
    "Content-Length: 18446744073709551619", "Content-Length: 9223372036854775811", "Content-Length: 3|Content-Length: 3",
    "Content-Length: 3|Content-Length: 4", "Content-Length: 4|Content-Length: 3", "Content-Length: 3|content-length: 3",
    "Content-Length: 0|Content-Length: 3", "Content-Length: 3|X: y|Content-Length: 0", "Content-Length : 3",
    "Content-Length\t: 3", "Content-Length\x00: 3", "Content Length: 3", "Content-Length:| 3", "Content-Length: 3|\t",
    "Content-Length: 3|\t4", "X: y\nContent-Length: 3", "X: y\rContent-Length: 3", "Content-Length: 3\nX: y",
    " Content-Length: 3", "Content-Length: NaN", "Content-Length: Infinity", "Content-Length: null", "Content-Length: 3=",
  ] },
  { name: "content-length, good", expect: "forward", frame: POST, cases: [
    "Content-Length: 3", "Content-Length:3", "content-length:\t3\t", "CONTENT-LENGTH:  3  ", "X: Content-Length: 9|Content-Length: 3",
  ] },
  { name: "content-length, zeros in front", expect: "either", frame: POST, cases: [
    "Content-Length: 03", "Content-Length: 0000000000000000000000000003",
  ] },
  { name: "chunk", expect: "reject", frame: CHUNKS, cases: [
    "3 |abc|0||", "3\t|abc|0||", " 3|abc|0||", "\t3|abc|0||", "0x3|abc|0||", "+3|abc|0||", "-3|abc|0||", "3.|abc|0||",
    "3_|abc|0||", "3,|abc|0||", "3 3|abc|0||", "g|abc|0||", "|abc|0||", "||", "3h|abc|0||", "\xB3|abc|0||", "3\x00|abc|0||",
    "3\x0B|abc|0||", "fffffffffffffffff|abc|0||", "10000000000000003|abc|0||", "8000000000000003|abc|0||",
    "100000000000000000000000000000003|abc|0||", "3\nabc|0||", "3\rabc|0||", "3\r\rabc|0||", "3\n\rabc|0||", "3|abc\n0||",
    "3|abc\r0||", "3|abcd|0||", "3|ab|0||", "3|abc0||", "3|abc |0||", "3|abc|-0||", "3|abc|0x0||", "3|abc|0 ||", "3|abc| 0||",
    "3|abc|0\n\n", "3|abc|0\n|", "3|abc|0|\n", "3|abc|0\r\r", "3|abc||0||", "2|abc|0||", "4|abc|0||",
    "3;\x00|abc|0||", "3;a\nb|abc|0||", "3;a\rb|abc|0||", "3;a=\x7F|abc|0||", "3;a=\"\n\"|abc|0||", "3;\n|abc|0||", "3;a=b\n|abc|0||",
    ";a=b|abc|0||", "3:a|abc|0||", "3 a|abc|0||", "3\xA0|abc|0||",
  ] },
  { name: "chunk, with extensions or zeros", expect: "either", frame: CHUNKS, cases: [
    "3;a|abc|0||", "3;a=b|abc|0||", "3;a=\"b;c\"|abc|0||", "3;|abc|0||", "3 ;a|abc|0||", "3; a = b|abc|0||", "003|abc|0||",
    "00000000000000000000000003|abc|0||", "3;a=\"\\\"\"|abc|0||", "3;;|abc|0||", "3;a=\x80|abc|0||", "3|abc|0;a=b||", "3|abc|000||",
    `3;${"a".repeat(5_000)}|abc|0||`,
  ] },
  { name: "chunk, good", expect: "forward", frame: CHUNKS, cases: [
    "3|abc|0||", "1|a|1|b|1|c|0||", "A|0123456789|0||", "a|0123456789|0||", "0||", "3|abc|0|X-T: y||", "3|abc|0|X-T: y|X-U: z||", "3|\r\n\0|0||",
  ] },
  { name: "trailer", expect: "reject", frame: CHUNKS, cases: [
    "3|abc|0|X : y||", "3|abc|0| X: y||", "3|abc|0|X: y| z||", "3|abc|0|X\x00: y||", "3|abc|0|X: \x00||", "3|abc|0|X: y\nZ: z||",
    "3|abc|0|X: y\rZ: z||", "3|abc|0|colonless||", "3|abc|0|: y||", "3|abc|0|X: y\n\n", "3|abc|0|X(: y||", "3|abc|0|GET /smuggled HTTP/1.1|Host: h||",
  ] },
  { name: "trailer that would change the request", expect: "either", frame: CHUNKS, cases: [
    "3|abc|0|Content-Length: 5||", "3|abc|0|Transfer-Encoding: chunked||", "3|abc|0|Host: evil||", "3|abc|0|Connection: close||",
    "3|abc|0|Transfer-Encoding: identity|Content-Length: 9||", "3|abc|0|l5d-client-id: admin||",
  ] },
  { name: "request line", expect: "reject", frame: LINE, cases: [
    "GET  /it HTTP/1.1", "GET /it  HTTP/1.1", "GET\t/it\tHTTP/1.1", "GET /it\tHTTP/1.1", "GET\t/it HTTP/1.1", "GET /it HTTP/1.1 ", "GET /it HTTP/1.1\t",
    " GET /it HTTP/1.1", "GET /it", "GET HTTP/1.1", "GET", "/it HTTP/1.1", "GET /it HTTP/1.1 HTTP/1.1", "GET /it HTTP/1.1\x0B", "GET\x0B/it HTTP/1.1",
    "GET\x0C/it HTTP/1.1", "GET\xA0/it HTTP/1.1", "GET /it HTTP/0.9", "GET /it HTTP/2.0", "GET /it HTTP/3.0", "GET /it HTTP/9.9", "GET /it HTTP/1",
    "GET /it HTTP/1.", "GET /it HTTP/.1", "GET /it HTTP/11", "GET /it HTTP/1.1.1", "GET /it HTTP/1.11", "GET /it HTTP/01.1", "GET /it HTTP/1,1",
    "GET /it http/1.1", "GET /it Http/1.1", "GET /it HTTPS/1.1", "GET /it HTTP /1.1", "GET /it HTTP/ 1.1", "GET /it XTTP/1.1", "GET /it HTTP/1.x",
    "GET /it ICE/1.1", "GET /it HTTP/+1.1", "GET /it HTTP/1.1\x00", "GET /a b HTTP/1.1", "GET /\x00 HTTP/1.1", "GET /\x01 HTTP/1.1", "GET /\x1F HTTP/1.1",
    "GET /\x7F HTTP/1.1", "GET /\x80 HTTP/1.1", "GET /\xFF HTTP/1.1", "GET /a\rb HTTP/1.1", "GET /a\nb HTTP/1.1", "GET /it HTTP/1.1\rX: y",
    "G\x00ET /it HTTP/1.1", "G\x7FET /it HTTP/1.1", "G(ET /it HTTP/1.1", "G[ET /it HTTP/1.1", "G/ET /it HTTP/1.1", "G\"ET /it HTTP/1.1", "G,ET /it HTTP/1.1",
    "G:ET /it HTTP/1.1", "G@ET /it HTTP/1.1", "G{ET /it HTTP/1.1", "G\xC9T /it HTTP/1.1", "GET it HTTP/1.1", "GET ?it HTTP/1.1", "GET #it HTTP/1.1",
    "GET h HTTP/1.1", "GET h:80 HTTP/1.1", "GET * HTTP/1.1", "POST * HTTP/1.1", "GET http:// HTTP/1.1", "GET http:///it HTTP/1.1", "GET http:/it HTTP/1.1",
    "GET http://u@h/it HTTP/1.1", "GET http://u:p@h/it HTTP/1.1", "GET http://h\\@evil/it HTTP/1.1", "GET http://h:x/it HTTP/1.1", "GET http://h h/it HTTP/1.1",
    "GET http://[::1/it HTTP/1.1", "CONNECT /it HTTP/1.1", "CONNECT h HTTP/1.1", "CONNECT http://h:80/ HTTP/1.1", "CONNECT * HTTP/1.1",
    "CONNECT u@h:80 HTTP/1.1", "OPTIONS h HTTP/1.1", "\x16\x03\x01 /it HTTP/1.1", "PRI * HTTP/1.1",
  ] },
  { name: "request line, unusual", expect: "either", frame: LINE, cases: [
    "get /it HTTP/1.1", "M-SEARCH /it HTTP/1.1", "!#$%&'*+-.^_`~ /it HTTP/1.1", "GET /it HTTP/1.2", "GET /it HTTP/1.9", "GET /it HTTP/1.0", "GET //evil/it HTTP/1.1",
    "GET /it#f HTTP/1.1", "GET /%00 HTTP/1.1", "GET /%0d%0aX:y HTTP/1.1", "GET /\\ HTTP/1.1", "GET /../../etc HTTP/1.1", "GET /%zz HTTP/1.1", "GET /\"<>^`{} HTTP/1.1",
    "GET http://h/it HTTP/1.1", "GET HTTP://h/it HTTP/1.1", "GET http://h HTTP/1.1", "GET http://h?it HTTP/1.1", "GET http://other/it HTTP/1.1", "GET https://h/it HTTP/1.1",
    "GET ftp://h/it HTTP/1.1", "OPTIONS * HTTP/1.1", "OPTIONS http://h HTTP/1.1", "|GET /it HTTP/1.1", "||GET /it HTTP/1.1", "\nGET /it HTTP/1.1", "TRACE /it HTTP/1.1",
    "GET javascript:1 HTTP/1.1", "GET /it?a=b?c=d HTTP/1.1", "GET /a;b=c HTTP/1.1", `${"A".repeat(300)} /it HTTP/1.1`,
  ] },
  { name: "field line", expect: "reject", frame: GET, cases: [
    "X : y", "X\t: y", "X\x0B: y", " X: y", "\tX: y", "X: y| z", "X: y|\tz", "X: y| ", "X: y|\t", "X:| y", "X", "X y", "X=y", ": y", ":", "X\x00: y", "\x00X: y", "X\x00Y: z",
    "X: \x00", "X: a\x00b", "X: a\x01b", "X: a\x08b", "X: a\x0Bb", "X: a\x0Cb", "X: a\x1Fb", "X: a\x7Fb", "X: \x1B[31m", "X: a\rb", "X: a\nb", "X: a\nY: b", "X: a\rY: b",
    "X: a\r\r\nY: b", "X(: y", "X): y", "X<: y", "X>: y", "X@: y", "X,: y", "X;: y", "X\\: y", "X\": y", "X/: y", "X[: y", "X]: y", "X?: y", "X=: y", "X{: y", "X}: y",
    "X\xE9: y", "X\x80: y", "\xEF\xBB\xBFX: y", "X Y: z", "X\rY: z", "X\nY: z", "X: y\r", "\rX: y", "\nX: y", "X: y\n", "X: y\n| z", "GET /smuggled HTTP/1.1",
    "Content-Type text/plain", "X: y|: z", "X: y|\x00: z", "X: y|Z\x7F: z",
  ] },
  { name: "field line, unusual", expect: "either", frame: GET, cases: [
    "X:y", "X:", "X: ", "X:\ty\t", "X: a\tb", "X: \xE9", "X: \x80\xFF", "X: a:b", "X: ,", "X: \"a\\\"b\"", "!#$%&'*+-.^_`~: y", "123: y", "X: y|X: y|x: Y", "_: y",
    "Expect: 100-continue", "Expect: something", "Upgrade: foo", "Connection: close", "Connection: X|X: y", "Connection: Host", "Connection: close, Host, Content-Length",
    "Proxy-Connection: keep-alive", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: X", "Upgrade: h2c|Connection: Upgrade, HTTP2-Settings|HTTP2-Settings: AAMAAABkAAQAAP__",
    "Connection: Transfer-Encoding", "Max-Forwards: 0", "Via: 1.1 a", "X-Forwarded-For: 1.2.3.4", "l5d-client-id: admin", "l5d-orig-proto: HTTP/1.0", "l5d-orig-proto: HTTP/2.0",
  ] },
  { name: "line ends", expect: "reject", frame: "@", cases: [
    "GET /it HTTP/1.1\nHost: h\n\n", "GET /it HTTP/1.1\nHost: h||", "GET /it HTTP/1.1|Host: h\n|", "GET /it HTTP/1.1|Host: h\n\n", "GET /it HTTP/1.1|Host: h|\n",
    "GET /it HTTP/1.1\rHost: h\r\r", "GET /it HTTP/1.1\rHost: h||", "GET /it HTTP/1.1|Host: h\r|", "GET /it HTTP/1.1\r\r\nHost: h||", "GET /it HTTP/1.1|Host: h|X: y\n|",
    "GET /it HTTP/1.1\n|Host: h||", "GET /it HTTP/1.1|\nHost: h||", "GET /it HTTP/1.1| |Host: h||", "GET /it HTTP/1.1|Host: h| ||", "GET /it HTTP/1.1|Host: h|\t||",
    "GET /it HTTP/1.1| Host: h||", "GET /it HTTP/1.1|\tX: y|Host: h||", "GET /it HTTP/1.1|Host: h|\r|",
    "POST /it HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc", "POST /it HTTP/1.1|Host: h|Content-Length: 3|\nabc",
  ] },
  { name: "host", expect: "reject", frame: HOST, cases: [
    "X: y", "Host: a|Host: b", "Host: a|Host: a", "Host: h|host: h", "Host: |Host: h", "Host: h|X: y|Host: ", "Host: a,b", "Host: a, b", "Host: a b", "Host: a\tb", "Host: u@h",
    "Host: u:p@h", "Host: h/it", "Host: h?it", "Host: h#it", "Host: http://h", "Host: h:80:80", "Host: h:x", "Host: h:-1", "Host: h:+80", "Host: h:80x", "Host: h:8 0", "Host: [::1",
    "Host: ::1", "Host: ::1]", "Host: [::1]x", "Host: [::1]:x", "Host: [h]", "Host: []", "Host: h\x00", "Host: h\x01", "Host: h\x7F", "Host: h\\x", "Host: h\"", "Host: <h>", "Host: h^",
    "Host: {h}", "Host: h`", "Host : h", "Host\t: h", " Host: h", "Host: h| i", "Host: \xE9", "Host:| h", "Ho\x00st: h", "Host\x00: h",
  ] },
  { name: "host, unusual", expect: "either", frame: HOST, cases: [
    "Host:h", "Host: h:80", "Host: h:", "Host: ", "Host:", "Host: [::1]", "Host: [::1]:80", "Host: 127.0.0.1", "Host: h_i", "Host: h:99999", "Host: h:0", "Host: H", "Host: h.", "Host: .",
    "Host: %68", "Host: h!", "Host: a-b.c", "host: h", "HOST: h", "Host: [fe80::1%25eth0]",
  ] },
  { name: "no Host in HTTP/1.0", expect: "either", frame: "@", cases: [
    "GET /it HTTP/1.0||", "GET /it HTTP/1.0|Connection: keep-alive||", "POST /it HTTP/1.0|Content-Length: 3||abc",
  ] },
  { name: "bodies where few expect them", expect: "either", frame: "@", cases: [
    "GET /it HTTP/1.1|Host: h|Content-Length: 3||abc", "GET /it HTTP/1.1|Host: h|Transfer-Encoding: chunked||3|abc|0||", "DELETE /it HTTP/1.1|Host: h|Content-Length: 3||abc",
    "HEAD /it HTTP/1.1|Host: h|Content-Length: 3||abc", "OPTIONS /it HTTP/1.1|Host: h|Content-Length: 3||abc", "TRACE /it HTTP/1.1|Host: h|Content-Length: 3||abc",
    "GET /it HTTP/1.1|Host: h|Content-Length: 36||GET /smuggled HTTP/1.1|Host: evil|||", "POST /it HTTP/1.1|Host: h|Transfer-Encoding: chunked||24|GET /smuggled HTTP/1.1|Host: evil||||0||",
    "POST /it HTTP/1.1|Host: h|Content-Length: 5||0||", "CONNECT h:80 HTTP/1.1|Host: h:80|Content-Length: 3||abc",
  ] },
  { name: "many in one write", expect: "forward", count: 3, frame: "@", cases: [
    "GET /it HTTP/1.1|Host: h||GET /it HTTP/1.1|Host: h||GET /it HTTP/1.1|Host: h||",
    "POST /it HTTP/1.1|Host: h|Content-Length: 3||abcPOST /it HTTP/1.1|Host: h|Transfer-Encoding: chunked||3|abc|0||GET /it HTTP/1.1|Host: h||",
    "POST /it HTTP/1.1|Host: h|Content-Length: 0||POST /it HTTP/1.1|Host: h||GET /it HTTP/1.1|Host: h||",
  ] },
  { name: "incomplete", expect: "reject", frame: "@", cases: [
    "GET /it HTTP/1.1", "GET /it HTTP/1.1|", "GET /it HTTP/1.1|Host: h", "GET /it HTTP/1.1|Host: h|",
  ] },
  { name: "larger than anybody wants", expect: "reject", frame: LINE, cases: [
    `GET /${"a".repeat(300_000)} HTTP/1.1`, `GET /it HTTP/1.1|X: ${"a".repeat(300_000)}`, `GET /it HTTP/1.1|${"a".repeat(300_000)}: y`, `${"A".repeat(300_000)} /it HTTP/1.1`,
    `GET /it HTTP/1.1${"|X: y".repeat(50_000)}`, `GET /it HTTP/1.1${"|Xyzzy: 0123456789".repeat(20_000)}`,
  ] },
  { name: "without body", expect: "forward", frame: "@", cases: [
    "GET /it HTTP/1.1|Host: h||", "HEAD /it HTTP/1.1|Host: h||", "DELETE /it HTTP/1.1|Host: h||", "POST /it HTTP/1.1|Host: h|Content-Length: 0||", "GET /it HTTP/1.1|Host: h|Connection: keep-alive||",
    "GET /it HTTP/1.1|Host: h|Connection: close||", "PURGE /it HTTP/1.1|Host: h||",
  ] },
];

/** All cases; names are unique. */
export const REQUESTS: readonly Case[] = groups.flatMap(
  ({ name, expect, frame, count = 1, cases }) =>
    cases.map((it) => ({
      name: `${name}: ${JSON.stringify(it.length > 80 ? `${it.slice(0, 80)}… (${it.length})` : it)}`,
      expect,
      count,
      bytes: frame.replace("@", () => it).replaceAll("|", "\r\n"),
    })),
);
