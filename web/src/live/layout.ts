// Where the plan's nodes stand. The library finds the places; this turns them into numbers to draw. Pure.

import { graphlib, layout } from "@dagrejs/dagre";
import type { Subtask } from "../api/types";

export const NODE_WIDTH = 196;
export const NODE_HEIGHT = 50;

export interface PlacedNode {
  id: string;
  x: number;
  y: number;
}

export interface PlacedEdge {
  from: string;
  to: string;
  path: string;
}

export interface Placed {
  width: number;
  height: number;
  nodes: PlacedNode[];
  edges: PlacedEdge[];
}

/** Left to right. Depends on ids and dependencies alone, so that a node never moves because it lights up. */
export function place(subtasks: readonly Subtask[]): Placed {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: 10, ranksep: 56, marginx: 14, marginy: 12 });
  graph.setDefaultEdgeLabel(() => ({}));
  const ids = new Set(subtasks.map((subtask) => subtask.id));
  for (const subtask of subtasks) graph.setNode(subtask.id, { width: NODE_WIDTH, height: NODE_HEIGHT });
  for (const subtask of subtasks) {
    for (const needed of subtask.depends_on) if (ids.has(needed)) graph.setEdge(needed, subtask.id);
  }
  layout(graph);
  const size = graph.graph() as { width?: number; height?: number };
  const height = size.height ?? 0;
  const found = graph.nodes().map((id) => {
    const { x, y } = graph.node(id) as { x: number; y: number };
    return { id, x: x - NODE_WIDTH / 2, y: y - NODE_HEIGHT / 2 };
  });
  const nodes = isUpsideDown(found) ? found.map((node) => ({ ...node, y: height - node.y - NODE_HEIGHT })) : found;
  const at = new Map(nodes.map((node) => [node.id, node]));
  const edges = graph.edges().map(({ v, w }) => {
    const from = at.get(v)!;
    const to = at.get(w)!;
    const x1 = from.x + NODE_WIDTH;
    const y1 = from.y + NODE_HEIGHT / 2;
    const x2 = to.x;
    const y2 = to.y + NODE_HEIGHT / 2;
    const bend = Math.max(24, (x2 - x1) / 2);
    return { from: v, to: w, path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}` };
  });
  return { width: size.width ?? 0, height, nodes, edges };
}

/** The library does not mind what is above; whoever reads the plan does. Nodes come in the plan's order. */
function isUpsideDown(nodes: readonly PlacedNode[]): boolean {
  let turned = 0;
  nodes.forEach((node, at) => {
    for (const later of nodes.slice(at + 1)) {
      if (Math.abs(later.x - node.x) < 1) turned += later.y < node.y ? 1 : -1;
    }
  });
  return turned > 0;
}
