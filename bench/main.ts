import { globSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { basename, join } from 'node:path'

/** What a scenario found: a table, and a sentence where the figures need one. */
export interface BenchTable {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly (string | number)[])[]
  readonly note?: string
}

/** One question with its measurement; peers are measured in the same run, so that their ratio holds on any machine. */
export interface Scenario {
  readonly name: string
  run(): Promise<BenchTable | readonly BenchTable[]>
}

// npm run bench [-- NAME…]: runs the scenarios of that name, or all, one after the other.
const folder = join(import.meta.dirname, 'scenarios')
const wanted = process.argv.slice(2)
const files = globSync('*.ts', { cwd: folder }).filter(file => !file.endsWith('.test.ts'))
const unknown = wanted.filter(name => !files.includes(`${name}.ts`))
if (unknown.length > 0) {
  process.stderr.write(`There is no scenario ${unknown.join(', ')}: choose among ${files.map(file => basename(file, '.ts')).join(', ')}\n`)
  process.exit(2)
}
// Other programs know nothing of us: each scenario ends its own when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
process.stdout.write(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${process.platform} ${release()}\n`)
for (const file of files.sort()) {
  const scenario = (await import(join(folder, file))) as Scenario
  if (wanted.length > 0 && !wanted.includes(scenario.name)) continue
  for (const table of [await scenario.run()].flat()) print(table)
}
process.exit(0)

/** As a Markdown table, so that it can stand in a commit. */
function print({ title, columns, rows, note }: BenchTable): void {
  const texts = [columns, ...rows].map(row => row.map(String))
  const widths = columns.map((_, column) => Math.max(...texts.map(row => (row[column] ?? '').length)))
  const line = (row: readonly string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`
  const [header = [], ...body] = texts
  process.stdout.write(`\n${title}\n\n${line(header)}| ${widths.map(width => '-'.repeat(width)).join(' | ')} |\n${body.map(line).join('')}`)
  if (note) process.stdout.write(`\n${note}\n`)
}
