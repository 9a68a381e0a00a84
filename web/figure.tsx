// One figure of the strip above everything.

type Props = {
  readonly title: string;
  readonly value: string;
  readonly note?: string | undefined;
  readonly state?: string | undefined;
};

export function Figure({ title, value, note, state = "" }: Props) {
  return (
    <div class={`figure ${state}`}>
      <dt>{title}</dt>
      <dd>
        {value}
        <small>{note}</small>
      </dd>
    </div>
  );
}
