/** Writes metrics in Prometheus' text format 0.0.4: each family once, with its help and type before its samples. */
export class Exposition {
  readonly #lines: string[] = []
  readonly #prefix: string
  #family = ''

  /** @param prefix of every name */
  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** Begins a family; the samples that follow belong to it. */
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): this {
    this.#family = `${this.#prefix}${name}`
    this.#lines.push(`# HELP ${this.#family} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`, `# TYPE ${this.#family} ${type}`)
    return this
  }

  sample(value: number, labels: Readonly<Record<string, string>> = {}, suffix = ''): this {
    this.#lines.push(`${this.#family}${suffix}${formatLabels(labels)} ${value}`)
    return this
  }

  /** @param bounds the upper ones, one fewer than the buckets, which do not yet add up */
  histogram(bounds: readonly number[], buckets: readonly number[], sum: number, labels: Readonly<Record<string, string>> = {}): this {
    let count = 0
    for (const [index, more] of buckets.entries()) {
      count += more
      this.sample(count, { ...labels, le: index < bounds.length ? String(bounds[index]) : '+Inf' }, '_bucket')
    }
    return this.sample(sum, labels, '_sum').sample(count, labels, '_count')
  }

  text(): string {
    return this.#lines.length > 0 ? `${this.#lines.join('\n')}\n` : ''
  }
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
