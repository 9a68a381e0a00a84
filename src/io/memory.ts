// The memory that connections read into. Bytes are lent: they are valid while the reader's call lasts, and whoever
// wants them longer keeps a copy. Only a connection that writes them need not, for it holds their page until the kernel
// has them; then the page is read into again. Taking new memory for each read instead makes V8 collect the whole heap
// all the time. Small reads share one page, since each is over before the next one begins.

/** A read brings at most this. */
const PAGE_BYTES = 131_072;
// A connection whose reads are this large has a page of its own.
const BULK_BYTES = 16_384;
const SPARES = 16;

export class Page {
  readonly bytes: Buffer = Buffer.allocUnsafeSlow(PAGE_BYTES);
  // The connection that reads into it, and each that has yet to write some of it.
  private holders = 1;

  /** Ends `lend` of so many bytes: where the same connection reads next. */
  next(bytes: number): Page {
    lent = undefined;
    if (poison !== undefined && this.holders === 1) this.bytes.fill(poison, 0, bytes);
    const isBulk = bytes >= BULK_BYTES;
    if (isBulk && this !== shared && this.holders === 1) return this;
    this.release();
    return isBulk ? (spares.pop() ?? new Page()) : shared;
  }

  /** It must not be read into until it is released once more. */
  hold(): void {
    this.holders++;
  }

  /** To be called at most once for each `hold`, and by its reader; a page that is not released is garbage in the end. */
  release(): void {
    if (this === shared || --this.holders > 0) return;
    this.holders = 1;
    if (poison !== undefined) this.bytes.fill(poison);
    if (spares.length < SPARES) spares.push(this);
  }
}

const spares: Page[] = [];
// The page whose bytes somebody is reading just now.
let lent: Page | undefined;
let poison: number | undefined;

/** Where small reads go. */
export const shared = new Page();

/** The first `bytes` of `page`, lent from now on until its `next`. */
export function lend(page: Page, bytes: number): Buffer {
  lent = page;
  return page.bytes.subarray(0, bytes);
}

/** The page that `chunk` is lent from; undefined when its bytes are valid for good. */
export function lender(chunk: Buffer): Page | undefined {
  return chunk.buffer === lent?.bytes.buffer ? lent : undefined;
}

/** The same bytes, valid for good: copied if they are lent. */
export function keep(chunk: Buffer): Buffer {
  if (lender(chunk) === undefined) return chunk;
  const kept = Buffer.allocUnsafe(chunk.length);
  chunk.copy(kept);
  return kept;
}

/** Bytes that wait for whoever will take them: few are copied, many stay in their page and hold it. */
export class Waiting {
  private readonly chunk: Buffer;
  private readonly page: Page | undefined;
  private outer: Page | undefined;

  constructor(chunk: Buffer) {
    const page = chunk.length < BULK_BYTES ? undefined : lender(chunk);
    this.page = page === shared ? undefined : page;
    this.page?.hold();
    this.chunk = this.page === undefined ? keep(chunk) : chunk;
    this.outer = undefined;
  }

  /** Lends the bytes until `release`. */
  lend(): Buffer {
    this.outer = lent;
    lent = this.page;
    return this.chunk;
  }

  /** They have been taken. */
  release(): void {
    lent = this.outer;
    this.page?.release();
  }
}

/** For tests: overwrites with `octet` what was lent as soon as it may be read into again, or stops that. */
export function poisonPages(octet: number | undefined): void {
  poison = octet;
}
