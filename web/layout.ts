// Where the boxes and lines of the topology go: layers from left to right, callers first.
// The layout is made anew only when a workload or a call comes or goes, so that nothing moves while numbers change.

import dagre from "@dagrejs/dagre";
import type { Id } from "../src/viz/live.ts";

export const NODE = { width: 178, height: 58 };
const LABEL = { width: 116, height: 26 };

export type Point = { readonly x: number; readonly y: number };

export type Placed = {
  readonly width: number;
  readonly height: number;
  /** Centres of boxes. */
  readonly nodes: ReadonlyMap<Id, Point>;
  /** By "src dst": the line, and the centre of its label. */
  readonly edges: ReadonlyMap<string, { readonly path: string; readonly label: Point }>;
};

export function edgeKey(src: Id, dst: Id): string {
  return `${src} ${dst}`;
}

export function place(nodes: readonly Id[], calls: readonly { src: Id; dst: Id }[]): Placed {
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({
    rankdir: "LR",
    nodesep: 26,
    ranksep: 60,
    edgesep: 18,
    marginx: 12,
    marginy: 12,
  });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of nodes) graph.setNode(id, { ...NODE });
  for (const { src, dst } of calls)
    graph.setEdge(src, dst, { ...LABEL, labelpos: "c", labeloffset: 0 });
  dagre.layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return {
    width,
    height,
    nodes: new Map(nodes.map((id) => [id, graph.node(id) as Point])),
    edges: new Map(
      calls.map(({ src, dst }) => {
        const edge = graph.edge(src, dst) as { points: Point[]; x: number; y: number };
        return [edgeKey(src, dst), { path: curve(edge.points), label: { x: edge.x, y: edge.y } }];
      }),
    ),
  };
}

// A smooth line through the points: midpoints joined by quadratic curves.
function curve(points: readonly Point[]): string {
  const [first, ...rest] = points as [Point, ...Point[]];
  let path = `M${first.x} ${first.y}`;
  for (let i = 0; i < rest.length - 1; i++) {
    const here = rest[i]!;
    const next = rest[i + 1]!;
    const isLast = i === rest.length - 2;
    const end = isLast ? next : { x: (here.x + next.x) / 2, y: (here.y + next.y) / 2 };
    path += `Q${here.x} ${here.y} ${end.x} ${end.y}`;
  }
  if (rest.length === 1) path += `L${rest[0]!.x} ${rest[0]!.y}`;
  return path;
}
