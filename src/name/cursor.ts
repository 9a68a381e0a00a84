// The reader under the grammars of paths, name trees and dtabs: one text, one position, one way to complain.
// Exists so that each grammar is written as plain recursive descent beside the type that it reads.
// It knows white space and comments, nothing else of any grammar.

import { Fault } from "../base/fault.ts";

/** A text that does not follow its grammar; `at` is the offset of the character that was not expected. */
export class SyntaxFault extends Fault {
  readonly at: number;

  constructor(message: string, at: number) {
    super("bad-input", message, { side: "client" });
    this.at = at;
  }
}

/** Something that is understood but should be written differently, at an offset of the text. */
export type SyntaxWarning = { readonly at: number; readonly message: string };

/** Called for each thing that is accepted although Linkerd 1 would refuse it. */
export type Warn = (warning: SyntaxWarning) => void;

const blanks = " \t\n\r\f\v";

/** A position in a text. */
export class Cursor {
  readonly text: string;
  readonly warn: Warn;
  at = 0;
  /** Parentheses that are open. */
  depth = 0;

  constructor(text: string, warn: Warn = () => {}) {
    this.text = text;
    this.warn = warn;
  }

  /** The character under the cursor, or '' at the end. */
  get char(): string {
    return this.text.charAt(this.at);
  }

  /** Steps over `char` and says whether it was there. */
  ate(char: string): boolean {
    if (this.char !== char || char === "") return false;
    this.at++;
    return true;
  }

  /** Steps over `char` or fails. */
  eat(char: string): void {
    if (!this.ate(char)) this.fail(`'${char}'`);
  }

  /** Steps over white space and comments (`#` to the end of the line). */
  skip(): void {
    for (; this.at < this.text.length; this.at++) {
      if (this.char === "#") {
        const end = this.text.indexOf("\n", this.at);
        this.at = end < 0 ? this.text.length : end;
      } else if (!blanks.includes(this.char)) return;
    }
  }

  /** Fails with Linkerd's words: what was expected, what was found, and the text with `[…]` around the place. */
  fail(expected: string): never {
    const { text, at, char } = this;
    const found = char === "" ? "end of input" : `'${char}'`;
    const marked = `${text.slice(0, at)}[${char}]${text.slice(at + 1)}`;
    throw new SyntaxFault(`${expected} expected but ${found} found at '${marked}'`, at);
  }
}

/** Reads all of `text` with `read`; white space and comments may surround it. Throws a SyntaxFault. */
export function parseAll<T>(text: string, read: (cursor: Cursor) => T, warn?: Warn): T {
  const cursor = new Cursor(text, warn);
  cursor.skip();
  const value = read(cursor);
  cursor.skip();
  if (cursor.at < text.length) cursor.fail("end of input");
  return value;
}
