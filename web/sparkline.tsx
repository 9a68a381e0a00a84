// The last minutes of a number in the space of a word. It tells a shape, not values; the table says those.

const WIDTH = 88;
const HEIGHT = 22;

type Props = { readonly values: readonly number[]; readonly label: string };

export function Sparkline({ values, label }: Props) {
  const most = Math.max(...values, 0.001);
  const x = (i: number): number => (i / Math.max(1, values.length - 1)) * WIDTH;
  const y = (value: number): number => HEIGHT - 1.5 - (value / most) * (HEIGHT - 4);
  const line = values
    .map((value, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`)
    .join("");
  return (
    <svg
      class="spark"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      width={WIDTH}
      height={HEIGHT}
      role="img"
      aria-label={label}
    >
      <path class="spark-area" d={`${line}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`} />
      <path class="spark-line" d={line} />
    </svg>
  );
}
