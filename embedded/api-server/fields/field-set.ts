/** What `FieldsV1` is as JSON. */
export interface FieldsV1 {
  [element: string]: FieldsV1
}

/**
 * A set of paths into an object, as `managedFields` keeps it. A step of a path is written as there: `f:spec`, `k:{"name":"web"}` for an
 * element of a list by its keys, `v:"x"` for one of a list of values.
 *
 * @see https://github.com/kubernetes-sigs/structured-merge-diff/blob/master/fieldpath/set.go
 */
export class FieldSet {
  readonly members: Set<string>
  readonly children: Map<string, FieldSet>

  constructor(members: Iterable<string> = [], children: Iterable<[string, FieldSet]> = []) {
    this.members = new Set(members)
    this.children = new Map([...children].filter(([, child]) => !child.isEmpty))
  }

  static fromJson(fields: FieldsV1): FieldSet {
    const set = new FieldSet()
    for (const [element, child] of Object.entries(fields)) {
      if (element === '.') continue
      const below = FieldSet.fromJson(child)
      if (!below.isEmpty) set.children.set(element, below)
      if (below.isEmpty || Object.hasOwn(child, '.')) set.members.add(element)
    }
    return set
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && this.children.size === 0
  }

  insert(path: readonly string[]): void {
    let set: FieldSet = this
    for (const element of path.slice(0, -1)) {
      let child = set.children.get(element)
      if (!child) set.children.set(element, (child = new FieldSet()))
      set = child
    }
    const last = path.at(-1)
    if (last !== undefined) set.members.add(last)
  }

  union(other: FieldSet): FieldSet {
    const children = new Map(this.children)
    for (const [element, child] of other.children) children.set(element, children.get(element)?.union(child) ?? child)
    return new FieldSet([...this.members, ...other.members], children)
  }

  intersection(other: FieldSet): FieldSet {
    const members = [...this.members].filter(element => other.members.has(element))
    const children: [string, FieldSet][] = []
    for (const [element, child] of this.children) {
      const match = other.children.get(element)
      if (match) children.push([element, child.intersection(match)])
    }
    return new FieldSet(members, children)
  }

  difference(other: FieldSet): FieldSet {
    const members = [...this.members].filter(element => !other.members.has(element))
    const children = [...this.children].map(([element, child]): [string, FieldSet] => {
      const match = other.children.get(element)
      return [element, match ? child.difference(match) : child]
    })
    return new FieldSet(members, children)
  }

  /** Without the members of `other` and all that is below them. */
  without(other: FieldSet): FieldSet {
    const members = [...this.members].filter(element => !other.members.has(element))
    const children = [...this.children]
      .filter(([element]) => !other.members.has(element))
      .map(([element, child]): [string, FieldSet] => {
        const match = other.children.get(element)
        return [element, match ? child.without(match) : child]
      })
    return new FieldSet(members, children)
  }

  /** Every member's path. */
  *paths(prefix: readonly string[] = []): Generator<string[]> {
    for (const element of [...this.members].sort()) yield [...prefix, element]
    for (const [element, child] of [...this.children].sort(([a], [b]) => (a < b ? -1 : 1))) yield* child.paths([...prefix, element])
  }

  toJson(): FieldsV1 {
    const json: FieldsV1 = {}
    for (const element of [...new Set([...this.members, ...this.children.keys()])].sort()) {
      const child = this.children.get(element)
      json[element] = child ? { ...(this.members.has(element) && { '.': {} }), ...child.toJson() } : {}
    }
    return json
  }
}

/** `.spec.containers[name="web"].image` */
export function formatPath(path: readonly string[]): string {
  return path
    .map(element => {
      const rest = element.slice(2)
      if (element.startsWith('f:')) return `.${rest}`
      if (element.startsWith('v:')) return `[=${rest}]`
      if (element.startsWith('i:')) return `[${rest}]`
      const keys = Object.entries(JSON.parse(rest) as Record<string, unknown>)
      return `[${keys.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}]`
    })
    .join('')
}
