// The ClientHello of TLS (RFC 8446 §4.1.2): the server name and the protocols that a client asks for, read
// from the first bytes of a connection without touching them, from one record or several.

/** What the bytes hold so far. `sni` is undefined when the client names no server. */
export type Hello =
  | { readonly kind: "incomplete" }
  | { readonly kind: "invalid" }
  | { readonly kind: "hello"; readonly sni: string | undefined; readonly alpn: readonly string[] };

const INCOMPLETE: Hello = { kind: "incomplete" };
const INVALID: Hello = { kind: "invalid" };
// Larger than any real one, hybrid key shares included; a bound for what is buffered.
const MAX_HELLO = 16_384;

/** Reads a ClientHello from the start of `bytes`. Never throws. */
export function parseClientHello(bytes: Buffer): Hello {
  const message = handshakeMessage(bytes);
  if (!Buffer.isBuffer(message)) return message;
  try {
    return parseMessage(new Cursor(message, 0, message.length));
  } catch (error) {
    if (error instanceof RangeError) return INVALID;
    throw error;
  }
}

// The body of the first handshake message, put together from the records that carry it.
function handshakeMessage(bytes: Buffer): Buffer | Hello {
  const parts: Buffer[] = [];
  let size = 0;
  let wanted = -1;
  for (let at = 0; ;) {
    if (bytes.length < at + 5) return INCOMPLETE;
    if (bytes[at] !== 0x16 || bytes[at + 1] !== 3) return INVALID;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > MAX_HELLO) return INVALID;
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    size += part.length;
    if (wanted < 0 && size >= 4) {
      const head = parts.length === 1 ? part : Buffer.concat(parts);
      if (head[0] !== 1) return INVALID;
      wanted = 4 + head.readUIntBE(1, 3);
      if (wanted > MAX_HELLO) return INVALID;
    }
    if (wanted >= 0 && size >= wanted) {
      const whole = parts.length === 1 ? part : Buffer.concat(parts);
      return whole.subarray(4, wanted);
    }
    if (part.length < length) return INCOMPLETE;
    at += 5 + length;
  }
}

function parseMessage(hello: Cursor): Hello {
  hello.skip(2 + 32); // Version and random.
  hello.skip(hello.u8()); // Session id.
  hello.skip(hello.u16()); // Cipher suites.
  hello.skip(hello.u8()); // Compression methods.
  let sni: string | undefined;
  let alpn: readonly string[] = [];
  if (hello.left === 0) return { kind: "hello", sni, alpn };
  const extensions = hello.part(hello.u16());
  while (extensions.left > 0) {
    const type = extensions.u16();
    const body = extensions.part(extensions.u16());
    if (type === 0) sni = serverName(body);
    else if (type === 16) alpn = protocols(body);
  }
  return { kind: "hello", sni, alpn };
}

// RFC 6066 §3: the first name of type host_name.
function serverName(body: Cursor): string | undefined {
  const names = body.part(body.u16());
  while (names.left > 0) {
    const type = names.u8();
    const name = names.part(names.u16()).text();
    if (type === 0) return /^[\w.-]+$/.test(name) ? name.toLowerCase() : undefined;
  }
  return undefined;
}

// RFC 7301 §3.1.
function protocols(body: Cursor): string[] {
  const list = body.part(body.u16());
  const names: string[] = [];
  while (list.left > 0) names.push(list.part(list.u8()).text());
  return names;
}

// Reads forward through bytes; throws RangeError past their end.
class Cursor {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  skip(count: number): void {
    if (count > this.left) throw new RangeError("past the end");
    this.#at += count;
  }

  u8(): number {
    this.skip(1);
    return this.#bytes[this.#at - 1]!;
  }

  u16(): number {
    this.skip(2);
    return this.#bytes.readUInt16BE(this.#at - 2);
  }

  part(count: number): Cursor {
    this.skip(count);
    return new Cursor(this.#bytes, this.#at - count, this.#at);
  }

  text(): string {
    return this.#bytes.toString("latin1", this.#at, this.#end);
  }
}
