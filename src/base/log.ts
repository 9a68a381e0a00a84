// Logging in linkerd2-proxy's two shapes, with its filters (`warn,linkerd=info`), changeable while it runs.
// A level that is off costs one comparison: a Logger keeps the number of its highest level that is on.

import { type Clock, systemClock } from "./clock.ts";
import { Fault } from "./fault.ts";

export type LogFormat = "plain" | "json";
export type LogLevel = (typeof LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

const LEVELS = ["off", "error", "warn", "info", "debug", "trace"] as const;
const [ERROR, WARN, INFO, DEBUG, TRACE] = [1, 2, 3, 4, 5];

export type LogOptions = {
  /** Directives, comma-separated: a level for all, or `module=level`. Default `warn,linkerd=info`. */
  filter?: string;
  format?: LogFormat;
  /** Gets each line without its newline. Default: standard error. */
  write?: (line: string) => void;
  clock?: Clock;
};

/** Where log lines go and which of them do. */
export class Log {
  format: LogFormat;
  write: (line: string) => void;
  /** Which thread of the process this is. */
  thread = "01";
  readonly clock: Clock;
  readonly #loggers = new Map<string, Logger>();
  #filter: string;

  constructor(options: LogOptions = {}) {
    this.format = options.format ?? "plain";
    this.write = options.write ?? ((line) => process.stderr.write(`${line}\n`));
    this.clock = options.clock ?? systemClock;
    this.#filter = options.filter ?? "warn,linkerd=info";
    parseLogFilter(this.#filter);
  }

  /** The directives in force. */
  get filter(): string {
    return this.#filter;
  }

  /** Changes the directives at once for all loggers; throws `bad-input` and changes nothing when it cannot be read. */
  set filter(text: string) {
    const directives = parseLogFilter(text);
    this.#filter = text.trim();
    for (const logger of this.#loggers.values()) logger.level = levelFor(logger.module, directives);
  }

  /** The highest level that is on for a module. */
  levelOf(module: string): LogLevel {
    return LEVELS[levelFor(module, parseLogFilter(this.#filter))]!;
  }

  /** The logger of `linkerd::<part>`; the same one each time. */
  logger(part: string): Logger {
    let logger = this.#loggers.get(part);
    if (!logger) {
      logger = new Logger(this, `linkerd::${part}`, parseLogFilter(this.#filter));
      this.#loggers.set(part, logger);
    }
    return logger;
  }
}

export class Logger {
  readonly module: string;
  /** The highest level that is on: 0 (off) to 5 (trace). */
  level: number;
  readonly #log: Log;

  constructor(log: Log, module: string, directives: readonly Directive[]) {
    this.#log = log;
    this.module = module;
    this.level = levelFor(module, directives);
  }

  /** Whether `debug` would write: ask before working a message out. */
  get debugging(): boolean {
    return this.level >= DEBUG!;
  }

  error(message: string, fields?: LogFields): void {
    if (this.level >= ERROR!) this.#print("ERROR", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.level >= WARN!) this.#print("WARN", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.level >= INFO!) this.#print("INFO", message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    if (this.level >= DEBUG!) this.#print("DEBUG", message, fields);
  }

  trace(message: string, fields?: LogFields): void {
    if (this.level >= TRACE!) this.#print("TRACE", message, fields);
  }

  #print(level: string, message: string, fields: LogFields = {}): void {
    const { clock, format, write, thread } = this.#log;
    if (format === "json") {
      const timestamp = new Date(clock.wall()).toISOString();
      const line = {
        timestamp,
        level,
        fields: { message, ...texts(fields) },
        target: this.module,
        threadId: `ThreadId(${thread})`,
      };
      write(JSON.stringify(line));
      return;
    }
    const seconds = (clock.now() / 1000).toFixed(6).padStart(13);
    let line = `[${seconds}s] ${level.padStart(5)} ThreadId(${thread}) ${this.module}: ${oneLine(message)}`;
    for (const [name, value] of Object.entries(texts(fields))) line += ` ${name}=${oneLine(value)}`;
    write(line);
  }
}

/** The log of this process. */
export const log = new Log();

type Directive = { readonly module: string; readonly level: number };

/** Reads directives such as `warn,linkerd=info`; throws `bad-input` naming each that is wrong. */
export function parseLogFilter(text: string): Directive[] {
  const wrong: string[] = [];
  const directives = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => {
      const at = part.lastIndexOf("=");
      const word = part.slice(at + 1).toLowerCase();
      const level = LEVELS.indexOf(word as LogLevel);
      // A bare module name means everything from it.
      if (level < 0 && at < 0 && /^[\w:-]+$/.test(part)) return { module: part, level: TRACE! };
      if (level < 0) wrong.push(part);
      return { module: at < 0 ? "" : part.slice(0, at).trim(), level };
    });
  if (wrong.length === 0) return directives;
  throw new Fault(
    "bad-input",
    `log filter "${text}": cannot read ${wrong.map((part) => `"${part}"`).join(", ")}; ` +
      `write a level (${LEVELS.join(", ")}) or module=level, separated by commas`,
  );
}

// The longest module prefix wins.
function levelFor(module: string, directives: readonly Directive[]): number {
  let best: Directive = { module: "", level: ERROR! };
  for (const directive of directives) {
    const applies = module.startsWith(directive.module);
    if (applies && directive.module.length >= best.module.length) best = directive;
  }
  return best.level;
}

function texts(fields: LogFields): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) {
    result[name] = value instanceof Error ? value.message : String(value);
  }
  return result;
}

// What a peer sent must not be able to forge a log line.
function oneLine(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f]/g, (c) => JSON.stringify(c).slice(1, -1));
}
