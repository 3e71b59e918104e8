// Where the nodes of the picture stand: this node in the middle, its peers around it, theirs outside. No physics: the
// same federation looks the same each time.

export interface Edge {
  one: string
  other: string
  live: boolean
}

export interface Place {
  id: string
  x: number
  y: number
}

export interface Drawn {
  nodes: Place[]
  edges: { one: Place; other: Place; live: boolean }[]
  /** What is to be seen, as an SVG's viewBox has it. */
  box: [left: number, top: number, width: number, height: number]
  /** How many nodes are not drawn, since a picture of all of them would show nothing. */
  left: number
}

const DRAWN_MAX = 60
const RINGS = [0, 88, 140]

export function placed(own: string, edges: Edge[]): Drawn {
  const near = new Set(edges.filter((edge) => edge.one === own || edge.other === own).map((edge) => (edge.one === own ? edge.other : edge.one)))
  const far = new Set(edges.flatMap((edge) => [edge.one, edge.other]).filter((id) => id !== own && !near.has(id)))
  const places = new Map<string, Place>()
  places.set(own, { id: own, x: 0, y: 0 })
  const firsts = [...near].sort().slice(0, DRAWN_MAX)
  firsts.forEach((id, at) => places.set(id, ring(id, 1, angle(at, firsts.length))))
  const room = Math.max(0, DRAWN_MAX - firsts.length)
  const seconds = [...far].sort().slice(0, room)
  seconds.forEach((id, at) => places.set(id, ring(id, 2, angle(at + 0.5, seconds.length))))
  const lines = new Map<string, Drawn['edges'][number]>()
  for (const edge of edges) {
    const [one, other] = edge.one < edge.other ? [edge.one, edge.other] : [edge.other, edge.one]
    const ends = [places.get(one), places.get(other)] as const
    if (ends[0] && ends[1] && !lines.has(one + other)) lines.set(one + other, { one: ends[0], other: ends[1], live: edge.live })
  }
  const nodes = [...places.values()]
  const [left, width] = around(nodes.map((node) => node.x), 60, 300)
  const [top, height] = around(nodes.map((node) => node.y), 40, 140)
  return { nodes, edges: [...lines.values()], box: [left, top, width, height], left: near.size + far.size + 1 - places.size }
}

/** Where a side of the box begins and how long it is: all places, so much beside them, and never less than `least`. */
function around(places: number[], beside: number, least: number): [number, number] {
  const [from, to] = [Math.min(...places) - beside, Math.max(...places) + beside]
  const length = Math.max(least, to - from)
  return [(from + to - length) / 2, length]
}

function angle(at: number, of: number): number {
  return (2 * Math.PI * at) / Math.max(1, of)
}

function ring(id: string, at: 1 | 2, turned: number): Place {
  const radius = RINGS[at]!
  return { id, x: Math.round(radius * 1.35 * Math.cos(turned)), y: Math.round(radius * Math.sin(turned)) }
}
