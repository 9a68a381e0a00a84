// Things that come and go, such as connections. A Set would do, but for its garbage: it makes a new table every few dozen
// deletions, and a table that has grown old keeps all that follow it, with their members, from being collected young.

/** A member, and where it is: -1 when it has been taken out. */
export type Bagged<T> = { readonly value: T; place: number };

export class Bag<T> {
  private readonly members: Bagged<T>[] = [];

  get size(): number {
    return this.members.length;
  }

  /** Puts `value` in; give what is returned to `delete`. */
  add(value: T): Bagged<T> {
    const member = { value, place: this.members.length };
    this.members.push(member);
    return member;
  }

  /** Takes a member out, once. */
  delete(member: Bagged<T>): void {
    if (member.place < 0) return;
    const last = this.members.pop()!;
    if (last !== member) {
      this.members[member.place] = last;
      last.place = member.place;
    }
    member.place = -1;
  }

  /** The values now; what is done with them may take others out. Costs O(size). */
  values(): T[] {
    return this.members.map(({ value }) => value);
  }
}
