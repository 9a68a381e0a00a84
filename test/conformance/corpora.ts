// The public corpora of requests: what each project keeps in its own form (Markdown, Python, JSON, TypeScript, C#), read
// as the bytes that would be sent. Nothing of them is part of this repository; the folders are clones of
//
//   nodejs/llhttp, defparam/smuggler, anshumanpattnaik/http-request-smuggling, uNetworking/h1spec, MDA2AV/Http11Probe

import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Sample = { readonly name: string; readonly bytes: Buffer };

const HOST = "h";

/** All samples of the corpora in `folder`, by corpus; one that is not there has none. */
export function readCorpora(folder: string): Record<string, Sample[]> {
  const read = (
    pattern: string,
    parse: (text: string) => [name: string, text: string][],
  ): Sample[] =>
    globSync(pattern, { cwd: folder })
      .sort()
      .flatMap((file) =>
        parse(readFileSync(join(folder, file), "utf8")).map(([name, text]) => ({
          name: `${file}: ${name}`,
          bytes: Buffer.from(text, "latin1"),
        })),
      );
  return {
    llhttp: read("llhttp/test/request/*.md", llhttp),
    smuggler: read("smuggler/configs/*.py", smuggler),
    "http-request-smuggling": read("http-request-smuggling/payloads.json", permuted),
    h1spec: read("h1spec/http_test.ts", h1spec),
    Http11Probe: read("Http11Probe/src/Http11Probe/TestCases/Suites/*.cs", probe),
  };
}

/** The responses of llhttp's own tests. */
export function readResponses(folder: string): Sample[] {
  return globSync("llhttp/test/response/*.md", { cwd: folder }).flatMap((file) =>
    llhttp(readFileSync(join(folder, file), "utf8")).map(([name, text]) => ({
      name: `${file}: ${name}`,
      bytes: Buffer.from(text, "latin1"),
    })),
  );
}

/** Blocks of a Markdown file: lines end in CRLF unless a backslash takes that away, and escapes are C's. */
function llhttp(text: string): [string, string][] {
  const blocks = [...text.matchAll(/^#+ (.+)$|^```http\n([^]*?)\n?```$/gm)];
  let title = "";
  return blocks.flatMap(([, heading, block]) => {
    if (heading !== undefined) title = heading;
    if (block === undefined) return [];
    const joined = block.replaceAll("\\\n", "").replaceAll("\n", "\r\n");
    return [[title, unescaped(joined)] as [string, string]];
  });
}

/** Headers made by a template of Python, some for each of a range of octets; each with two bodies that disagree. */
function smuggler(text: string): [string, string][] {
  const all: [string, string][] = [];
  let octets: number[] = [];
  for (const line of text.split("\n")) {
    const [, from, to, list] = /^for i in (?:range\((\w+),\s*(\w+)\)|\[(.+)\])/.exec(line) ?? [];
    if (from !== undefined)
      octets = Array.from({ length: Number(to) - Number(from) }, (_, i) => Number(from) + i);
    if (list !== undefined) octets = list.split(",").map(Number);
    const [, name, gadget] =
      /mutations\["([^"]+)".*render_template\("((?:[^"\\]|\\.)*)"/.exec(line) ?? [];
    if (name === undefined || gadget === undefined) continue;
    const each = /^\s/.test(line) ? octets : [0];
    for (const octet of each) {
      const field = unescaped(gadget).replaceAll("%c", String.fromCharCode(octet));
      const head = `POST / HTTP/1.1\r\n${field}\r\nHost: ${HOST}\r\nContent-Length: `;
      all.push([`${name} ${octet}, CL.TE`, `${head}4\r\n\r\n1\r\nZ\r\n0\r\n\r\n`]);
      all.push([`${name} ${octet}, TE.CL`, `${head}6\r\n\r\n0\r\n\r\nX`]);
    }
  }
  return all;
}

type Permuted = {
  permute: {
    type: string;
    content_length_key: string;
    transfer_encoding: { te_key: string; te_value: string };
  }[];
  detection: { type: string; payload: string; content_length: number }[];
};

function permuted(text: string): [string, string][] {
  const { permute, detection } = JSON.parse(text) as Permuted;
  return permute.flatMap(({ type, content_length_key: key, transfer_encoding: te }) =>
    detection.map(({ type: kind, payload, content_length: length }): [string, string] => [
      `${type}, ${kind}`,
      `POST / HTTP/1.1\r\nHost: ${HOST}\r\n${key} ${length}\r\n${te.te_key}${te.te_value}\r\n${payload}`,
    ]),
  );
}

function h1spec(text: string): [string, string][] {
  const cases = text.matchAll(/request: "((?:[^"\\]|\\.)*)"[^]*?description: "([^"]*)"/g);
  return [...cases].map(([, request, name]) => [name!, unescaped(request!)]);
}

/** What is built of literals and of constants of the same case; the few that are computed are left out. */
function probe(text: string): [string, string][] {
  return text
    .split(/\bId = /)
    .slice(1)
    .flatMap((part): [string, string][] => {
      const [, name = ""] = /^"([^"]+)"/.exec(part) ?? [];
      const factory = /PayloadFactory = ctx =>([^]*?)\n {12}\w+ = /.exec(part)?.[1] ?? "";
      const known: Record<string, string> = { "ctx.HostHeader": HOST };
      for (const [, constant, value] of factory.matchAll(
        /(?:const string|var) (\w+) = \$?"((?:[^"\\]|\\.)*)";/g,
      ))
        known[constant!] = value!;
      for (const [, constant, of] of factory.matchAll(
        /var (\w+) = Encoding\.\w+\.GetByteCount\((\w+)\)/g,
      ))
        known[constant!] = String(unescaped(known[of!] ?? "").length);
      const made = /(?:MakeRequest|GetBytes)\(([^]*)\)/.exec(factory)?.[1] ?? "";
      const literals = [...made.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, literal]) => literal!);
      const template = literals.length > 0 ? literals.join("") : (known["body"] ?? "");
      let filled = template;
      for (let n = 0; n < 3; n++)
        filled = filled.replaceAll(/\{([\w.]+)\}/g, (whole, key: string) => known[key] ?? whole);
      if (filled === "" || /\{[\w.]+\}/.test(filled) || /new string|Repeat\(/.test(factory))
        return [];
      return [[name, unescaped(filled)]];
    });
}

function unescaped(text: string): string {
  const plain: Record<string, string> = {
    r: "\r",
    n: "\n",
    t: "\t",
    f: "\f",
    v: "\v",
    0: "\0",
    b: "\b",
  };
  return text.replaceAll(
    /\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|([^xu]))/g,
    (_, hex?: string, unicode?: string, other?: string) =>
      other === undefined
        ? String.fromCharCode(Number.parseInt((hex ?? unicode)!, 16) & 255)
        : (plain[other] ?? other),
  );
}
