// The JSON patch (RFC 6902) that turns one document into another. What is the same object in both is not looked
// into, so that changing a pod costs what has changed.

export type Operation = {
  readonly op: "add" | "remove" | "replace";
  /** A JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value?: unknown;
};

/** The operations from `before` to `after`; new elements of a list are added where they stand. */
export function jsonPatch(before: unknown, after: unknown, path = ""): Operation[] {
  if (before === after) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listPatch(before, after, path);
  if (!isObject(before) || !isObject(after)) {
    return JSON.stringify(before) === JSON.stringify(after)
      ? []
      : [{ op: "replace", path, value: after }];
  }
  const operations: Operation[] = [];
  for (const key of Object.keys(before)) {
    if (after[key] === undefined) operations.push({ op: "remove", path: join(path, key) });
  }
  for (const [key, value] of Object.entries(after)) {
    if (value === undefined) continue;
    const at = join(path, key);
    if (before[key] === undefined || before[key] === null)
      operations.push({ op: "add", path: at, value });
    else operations.push(...jsonPatch(before[key], value, at));
  }
  return operations;
}

// When all that was there is still there in its order, the rest is additions; else the list is another one.
function listPatch(
  before: readonly unknown[],
  after: readonly unknown[],
  path: string,
): Operation[] {
  const operations: Operation[] = [];
  let next = 0;
  for (const [i, value] of after.entries()) {
    if (value === before[next]) next++;
    else operations.push({ op: "add", path: `${path}/${i}`, value });
  }
  return next === before.length ? operations : [{ op: "replace", path, value: after }];
}

const join = (path: string, key: string): string =>
  `${path}/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
