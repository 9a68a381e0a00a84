// The memory that connections read into. Bytes are lent: they are valid while the reader's call lasts, and whoever
// wants them longer keeps a copy. Only a connection that writes them need not, for it holds their page until the kernel
// has them; then the page is read into again. Taking new memory for each read instead makes V8 collect the whole heap
// all the time. Small reads share one page, since each is over before the next one begins; what fills it goes on in a
// large one.

/** A read brings at most this. */
const PAGE_BYTES = 524_288;
// What the shared page brings is copied wherever it must wait, as the start of every large body does.
const SHARED_BYTES = 16_384;
const SPARES = 16;
// So many connections keep their page until more comes. The others begin with the shared one each time: a second call,
// but the pages in use are few however many connections there are, and the processor has them at hand.
const KEEPERS = 4;

export class Page {
  readonly bytes: Buffer;
  /** What `lend` gave last. */
  view: Buffer;
  // The connection that reads into it, and each that has yet to write some of it.
  private holders = 1;
  private kept = false;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = this.bytes;
  }

  /** Ends `lend` of so many bytes: where the same connection reads next. `more` may be there already. */
  next(bytes: number, more: boolean): Page {
    lent = undefined;
    if (poison !== undefined && this.holders === 1) this.bytes.fill(poison, 0, bytes);
    if (this !== shared && this.holders === 1 && (more || this.keeps(bytes))) return this;
    this.release();
    return more ? (spares.pop() ?? new Page(PAGE_BYTES)) : shared;
  }

  /** It must not be read into until it is released once more. */
  hold(): void {
    this.holders++;
  }

  /** To be called at most once for each `hold`, and by its reader; a page that is not released is garbage in the end. */
  release(): void {
    if (this.kept) keepers--;
    this.kept = false;
    if (this === shared || --this.holders > 0) return;
    this.holders = 1;
    if (poison !== undefined) this.bytes.fill(poison);
    if (spares.length < SPARES) spares.push(this);
  }

  private keeps(bytes: number): boolean {
    if (bytes < SHARED_BYTES) return false;
    if (!this.kept && keepers < KEEPERS) {
      this.kept = true;
      keepers++;
    }
    return this.kept;
  }
}

const spares: Page[] = [];
let keepers = 0;
// The page whose bytes somebody is reading just now.
let lent: Page | undefined;
let poison: number | undefined;

/** Where reads begin. */
export const shared = new Page(SHARED_BYTES);

/** The first `bytes` of `page`, lent from now on until its `next`. */
export function lend(page: Page, bytes: number): Buffer {
  lent = page;
  // Many messages are as long as the one before, and a view costs more than copying one of them.
  if (page.view.length !== bytes) page.view = page.bytes.subarray(0, bytes);
  return page.view;
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

// What is smaller than the objects about it does not wait on its own, or a peer could choose how much memory a byte takes.
const SMALL_BYTES = 1024;
const JOINED_BYTES = 16_384;

/** Bytes that wait for whoever will take them: few are copied, many stay in their page and hold it. */
export class Waiting {
  private chunk: Buffer;
  private size: number;
  private readonly page: Page | undefined;
  private outer: Page | undefined;

  constructor(chunk: Buffer) {
    const page = chunk.length < SHARED_BYTES ? undefined : lender(chunk);
    this.page = page === shared ? undefined : page;
    this.page?.hold();
    this.chunk = this.page === undefined ? keep(chunk) : chunk;
    this.size = chunk.length;
    this.outer = undefined;
  }

  /** Takes a copy of small bytes that come next; false for those that have to wait on their own. */
  join(chunk: Buffer): boolean {
    const size = this.size + chunk.length;
    if (this.page !== undefined || chunk.length > SMALL_BYTES || size > JOINED_BYTES) return false;
    // Bytes that were given for good are not ours to write behind: there is room only in what was made here.
    if (size > this.chunk.length) {
      const room = Buffer.allocUnsafe(Math.min(2 * size, JOINED_BYTES));
      this.chunk.copy(room, 0, 0, this.size);
      this.chunk = room;
    }
    chunk.copy(this.chunk, this.size);
    this.size = size;
    return true;
  }

  /** Lends the bytes until `release`. */
  lend(): Buffer {
    this.outer = lent;
    lent = this.page;
    const { chunk, size } = this;
    // Whoever takes it may cause more to come, which must not follow what has been taken.
    this.size = Infinity;
    return size === chunk.length ? chunk : chunk.subarray(0, size);
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
