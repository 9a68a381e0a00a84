// Protobuf messages of chance: any field of a type set or not, with the values that readers forget about, or a good
// message with a part of it made anew.

import {
  create,
  type DescField,
  type DescMessage,
  fromBinary,
  type Message,
  type MessageShape,
  ScalarType,
  toBinary,
} from "@bufbuild/protobuf";
import type { Random } from "../../src/base/random.ts";
import { mutated } from "./mutate.ts";

const DEPTH = 7;
const TEXTS = ["", "a", "web.ns.svc.cluster.local:80", "web", "/a", "^(a|b)*$", "(", "é\0", "x".repeat(300), "0", "-1", "name", "default", "http"]; // oxfmt-ignore
const NUMBERS = [0, 1, 2, 80, 200, 599, 65_535, 65_536, 0x7fff_ffff];
const DOUBLES = [0, 1, -1, 0.5, 1e300, Number.NaN, Number.POSITIVE_INFINITY];

/** A message of `desc`, most of its fields set. */
function anyMessage<D extends DescMessage>(desc: D, random: Random): MessageShape<D> {
  return create(desc, initOf(desc, random, DEPTH) as never);
}

/** The bytes of one of `seeds` spoilt, of one with a part made anew, or of a message of chance. */
export function anyBytes(desc: DescMessage, seeds: readonly Buffer[], random: Random): Buffer {
  const kind = random.below(3);
  if (kind === 0 || seeds.length === 0) return bytesOf(desc, anyMessage(desc, random));
  if (kind === 1) return mutated(seeds, random);
  const message = fromBinary(desc, seeds[random.below(seeds.length)]!);
  renew(desc, message, random);
  return bytesOf(desc, message);
}

function bytesOf(desc: DescMessage, message: Message): Buffer {
  return Buffer.from(toBinary(desc, message));
}

type Init = Record<string, unknown>;

function initOf(desc: DescMessage, random: Random, depth: number): Init {
  const init: Init = {};
  for (const member of desc.members) {
    if (random.below(5) === 0) continue;
    if (member.kind === "oneof") {
      const field = member.fields[random.below(member.fields.length)]!;
      if (depth > 0 || field.fieldKind !== "message")
        init[member.localName] = { case: field.localName, value: valueOf(field, random, depth) };
    } else {
      const value = valueOf(member, random, depth);
      if (value !== undefined) init[member.localName] = value;
    }
  }
  return init;
}

function valueOf(field: DescField, random: Random, depth: number): unknown {
  const count = random.below(3);
  switch (field.fieldKind) {
    case "list":
      return depth <= 0 ? [] : Array.from({ length: count }, () => oneOf(field, random, depth));
    case "map":
      return Object.fromEntries(
        Array.from({ length: count }, () => [text(random), oneOf(field, random, depth)]),
      );
    default:
      return oneOf(field, random, depth);
  }
}

/** One value of a field, or one element of it. */
function oneOf(field: DescField, random: Random, depth: number): unknown {
  if (field.message !== undefined)
    return depth <= 0 ? undefined : initOf(field.message, random, depth - 1);
  if (field.enum !== undefined) return random.below(6);
  return scalar(field.scalar!, random);
}

function scalar(type: ScalarType, random: Random): unknown {
  const signed = (): number => pick(NUMBERS, random) * (random.below(4) === 0 ? -1 : 1);
  switch (type) {
    case ScalarType.STRING:
      return text(random);
    case ScalarType.BYTES:
      return Buffer.from(text(random));
    case ScalarType.BOOL:
      return random.below(2) === 0;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return type === ScalarType.FLOAT
        ? Math.fround(pick(DOUBLES.slice(0, 4), random))
        : pick(DOUBLES, random);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return BigInt(signed()) ** (random.below(4) === 0 ? 2n : 1n);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return BigInt(pick(NUMBERS, random)) ** 2n;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return pick(NUMBERS, random);
    default:
      return signed();
  }
}

/** Makes one field of the message, or of one inside it, anew. */
function renew(desc: DescMessage, message: Message, random: Random): void {
  const set = message as unknown as Init;
  const fields = desc.fields.filter((field) => !field.oneof);
  const inside = fields.filter((field) => field.message && set[field.localName]);
  const chosen = pick(inside, random) as DescField | undefined;
  if (chosen !== undefined && random.below(4) > 0) {
    const value = set[chosen.localName] as Message | Message[];
    const next = Array.isArray(value) ? pick(value, random) : value;
    if (chosen.fieldKind !== "map" && next !== undefined)
      return renew(chosen.message!, next, random);
  }
  for (const { localName, fields: cases } of desc.oneofs) {
    const { case: name, value } = set[localName] as { case?: string; value?: unknown };
    const field = cases.find((each) => each.localName === name);
    if (field?.message && random.below(3) > 0)
      return renew(field.message, value as Message, random);
  }
  Object.assign(message, create(desc, initOf(desc, random, 3) as never));
}

function text(random: Random): string {
  return pick(TEXTS, random);
}

function pick<T>(all: readonly T[], random: Random): T {
  return all[random.below(all.length)]!;
}
