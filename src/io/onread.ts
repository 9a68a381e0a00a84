// Reading into memory of ours. Left alone, a socket allocates 64 KB for each read and gives most of it back;
// the option `onread` of net.Socket avoids that, at 2 µs of the 5 that a forwarded request costs in user time.
// Node takes the option only from whoever makes the socket, which a server cannot: so it is set afterwards, the
// way the constructor does it. Where this Node has other insides than 26 has, sockets read as they always did.

import { Socket } from "node:net";

type Slots = { buffer: symbol; onRead: symbol; next: symbol };
type Insides = Record<symbol, unknown> & {
  _handle?: { useUserBuffer?(buffer: Buffer): void } | null;
};

const slots = findSlots();

/** Makes `socket` read into `buffer`, tell how much came, and go on into what `next` returns, if anything. False: it cannot. */
export function readInto(
  socket: Socket,
  buffer: Buffer,
  onRead: (size: number) => void,
  next: () => Buffer | undefined,
): boolean {
  const insides = socket as unknown as Insides;
  const handle = insides._handle;
  if (slots === undefined || typeof handle?.useUserBuffer !== "function") return false;
  if (socket.readableLength > 0 || insides[slots.buffer] !== null) return false;
  insides[slots.buffer] = buffer;
  insides[slots.onRead] = onRead;
  insides[slots.next] = next;
  handle.useUserBuffer(buffer);
  return true;
}

/** Lets go of what `readInto` gave to a socket that has closed. */
export function readNothing(socket: Socket): void {
  if (slots === undefined) return;
  const insides = socket as unknown as Insides;
  insides[slots.buffer] = insides[slots.onRead] = insides[slots.next] = null;
}

function findSlots(): Slots | undefined {
  // Windows reads ahead: two connections must not share memory there.
  if (process.platform === "win32") return undefined;
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const named = (name: string): symbol | undefined => symbols.find((s) => s.description === name);
  const buffer = named("kBuffer");
  const onRead = named("kBufferCb");
  const next = named("kBufferGen");
  return buffer && onRead && next ? { buffer, onRead, next } : undefined;
}
