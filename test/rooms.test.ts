// The rules of the house, read from the sources: which room may import which (the table in ARCHITECTURE.md says), what
// each room must not use and why, and the shape of a file. It reads text, not types, so what it finds it finds fast.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { test } from "node:test";

const home = join(import.meta.dirname, "..");
const maxLines = 300;
const maxHeaderLines = 6;

/** Files that may be longer, for they are tables: each with the reason why it is not two. */
const tables: Record<string, string> = {};

/** The packages that the product may use, and the rooms that may. Whatever the proxy loads, every workload pays for. */
const packages: Record<string, readonly string[]> = {
  "@bufbuild/protobuf": [
    "wire",
    "io",
    "stack",
    "name",
    "platform",
    "proxy",
    "router",
    "control",
    "viz",
    "cli",
  ],
  yaml: ["name", "platform", "router", "control", "viz", "cli"],
  koffi: ["io"],
  "@peculiar/x509": ["control", "cli"],
  // What @peculiar/x509 wants loaded before it.
  "reflect-metadata": ["control"],
};

interface Ban {
  readonly what: RegExp;
  readonly why: string;
  /** The rooms that it holds for; all when left out. */
  readonly rooms?: readonly string[];
  /** Rooms or files that may all the same. */
  readonly except?: readonly string[];
}

const hot = ["wire", "io", "stack", "proxy", "router"];

const bans: readonly Ban[] = [
  {
    what: /\b(?:setTimeout|setInterval|Date\.now|Math\.random|performance\.now|new Date\(\)|node:timers)/,
    why: "take a Clock or a Random of base, so that tests turn time and chance by hand",
    except: ["base"],
  },
  {
    what: /\bsetImmediate\b/,
    why: "only io knows of turns of the event loop",
    except: ["base", "io"],
  },
  {
    what: /\bnew URL\(|\bAbortSignal\.any\(|\bnew Headers\(|\bAsyncLocalStorage\b/,
    why: "each costs 1 to 20 µs for a request",
    rooms: hot,
  },
  {
    what: /["']node:(?:http|https|http2)["']/,
    why: "HTTP is read and written by wire and io",
    rooms: ["base", ...hot],
  },
  {
    what: /["']node:(?:net|tls|dgram|dns|fs|child_process|fs\/promises|dns\/promises)["']/,
    why: "this room does no I/O",
    rooms: ["base", "wire"],
  },
  {
    what: /\bprocess\.env\b/,
    why: "the environment is read in one place and handed on as settings",
    except: ["main", "cli", "src/proxy/env.ts"],
  },
  {
    what: /\bconsole\./,
    why: "use the log of base; only programs speak to a terminal",
    except: ["cli", "main"],
  },
];

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly isTest: boolean;
}

/** The rooms in the order of the table, each of which may import those before it. */
const rooms = Array.from(
  readFileSync(join(home, "ARCHITECTURE.md"), "utf8")
    .replace(/^[^]*\n## Rooms\n|\n## [^]*/g, "")
    .matchAll(/^\| `(\w+)` \|.*\|.*\|$/gm),
  ([, name]) => name!,
);

const sources: readonly Source[] = globSync("src/**/*.ts", { cwd: home })
  .map((path) => path.replaceAll("\\", "/"))
  .sort()
  .map((path) => ({
    path,
    room: path.split("/").length > 2 ? path.split("/")[1]! : "main",
    text: readFileSync(join(home, path), "utf8"),
    isTest: path.endsWith(".test.ts"),
  }));

/** The lines of a text without its comments; what looks like one in a string stays. */
function code(text: string): string[] {
  return text
    .replaceAll(
      /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[^]*?\*\/|\/\/.*/g,
      (part, string?: string) => string ?? part.replaceAll(/[^\n]/g, ""),
    )
    .split("\n");
}

/** Every specifier that a file imports or exports from, with its line. */
function imports(text: string) {
  return code(text).flatMap((line, at) =>
    Array.from(
      line.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*["']([^"']+)["']/g),
      ([, specifier]) => ({
        specifier: specifier!,
        line: at + 1,
      }),
    ),
  );
}

function importFault({ path, room, isTest }: Source, specifier: string): string | undefined {
  if (specifier.startsWith("node:")) return undefined;
  if (!specifier.startsWith(".")) {
    const name = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
    if (isTest || packages[name]?.includes(room)) return undefined;
    return packages[name]
      ? `only ${packages[name].join(", ")} may use ${name}`
      : `${name} is on nobody's list`;
  }
  const target = posix.join(dirname(path), specifier);
  if (target.startsWith("proto/gen/") || (isTest && target.startsWith("test/support/")))
    return undefined;
  if (!target.startsWith("src/")) return "it lies outside of src and proto/gen";
  const other = target.split("/").length > 2 ? target.split("/")[1]! : "main";
  if (rooms.indexOf(other) > rooms.indexOf(room)) return `${other} stands below ${room}`;
  return undefined;
}

/** Fails with one line for each finding, and with what to do. */
function none(findings: readonly string[], remedy: string) {
  assert.ok(findings.length === 0, `${remedy}:\n${findings.join("\n")}`);
}

/** The lines of a source that match, as findings. */
function matches({ path, text }: Pick<Source, "path" | "text">, what: RegExp): string[] {
  return code(text).flatMap((line, at) =>
    what.test(line) ? [`${path}:${at + 1} ${line.trim()}`] : [],
  );
}

test("every source is in a room of the table in ARCHITECTURE.md", () => {
  assert.equal(rooms[0], "base");
  assert.equal(rooms.at(-1), "main");
  const lost = sources.filter(
    ({ path, room }) => !rooms.includes(room) || path.split("/").length > 3,
  );
  none(
    lost.map(({ path }) => path),
    "Sources lie one level deep, in a folder that the table names",
  );
});

test("imports point to the own room, to rooms above, and to packages on the list", () => {
  const findings = sources.flatMap((source) =>
    imports(source.text).flatMap(({ specifier, line }) => {
      const fault = importFault(source, specifier);
      return fault ? [`${source.path}:${line} imports ${specifier}: ${fault}`] : [];
    }),
  );
  none(findings, "Move what is needed up, or hand it in from below");
});

for (const { what, why, rooms: only = rooms, except = [] } of bans)
  test(`out of place: ${why}`, () => {
    const bound = sources.filter(
      ({ room, path, isTest }) =>
        !isTest && only.includes(room) && !except.some((one) => one === room || one === path),
    );
    none(
      bound.flatMap((source) => matches(source, what)),
      why,
    );
  });

test(`a file has at most ${maxLines} lines, unless it is a table`, () => {
  const long = sources.flatMap(({ path, text, isTest }) => {
    const lines = text.split("\n").length - 1;
    return lines > maxLines && !isTest && !(path in tables) ? [`${path}: ${lines} lines`] : [];
  });
  none(long, "Split it by idea, or name it in the list of tables with the reason");
  const gone = Object.keys(tables).filter(
    (path) => !sources.some((source) => source.path === path),
  );
  none(gone, "The list of tables names files that are no more");
});

test("a file begins by saying what it is", () => {
  const findings = sources.flatMap(({ path, text }) => {
    const header = /^(?:\/\/.*\n)+/.exec(text)?.[0].split("\n") ?? [];
    // A picture of a ring or a state machine takes the lines that it takes.
    const prose = header.filter((line) => /^\/\/ ?\w/.test(line)).length;
    return prose === 0 || prose > maxHeaderLines ? [`${path}: ${prose} lines`] : [];
  });
  none(
    findings,
    `The first 1 to ${maxHeaderLines} lines say what the file is, why it exists, what it does not do`,
  );
});

test("nothing is left for later", () => {
  const findings = globSync("{src,test,demo,bench,web,scripts,bin}/**/*.{ts,tsx,mjs}", {
    cwd: home,
  })
    .filter((path) => !path.includes("node_modules"))
    .flatMap((path) =>
      readFileSync(join(home, path), "utf8")
        .split("\n")
        .flatMap((line, at) =>
          /\b(?:TO-?DO|FIX-?ME)\b/.test(line) ? [`${path}:${at + 1} ${line.trim()}`] : [],
        ),
    );
  none(findings, "What is missing is an issue, not a comment");
});

test("the rules above bite", () => {
  const wire = { path: "src/wire/frame.ts", room: "wire", text: "", isTest: false };
  assert.equal(importFault(wire, "../io/conn.ts"), "io stands below wire");
  assert.equal(importFault(wire, "../base/fault.ts"), undefined);
  assert.equal(importFault(wire, "../../proto/gen/meta_pb.js"), undefined);
  assert.equal(
    importFault(wire, "../../demo/emojivoto/grpc.ts"),
    "it lies outside of src and proto/gen",
  );
  assert.equal(importFault(wire, "koffi"), "only io may use koffi");
  assert.equal(importFault(wire, "left-pad"), "left-pad is on nobody's list");
  const text = [
    "// A comment may say setTimeout.",
    "/* And import x from 'y'. */ const url = 'http://a'; setTimeout(f);",
    'export { a } from "./a.ts";',
    'const b = await import("./b.ts");',
  ].join("\n");
  assert.deepEqual(
    imports(text).map(({ specifier, line }) => `${specifier} ${line}`),
    ["./a.ts 3", "./b.ts 4"],
  );
  assert.equal(matches({ path: "x.ts", text }, bans[0]!.what).length, 1);
});
