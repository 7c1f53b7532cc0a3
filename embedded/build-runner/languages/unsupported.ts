import { BuildFailure } from '../failure.ts'
import type { Language } from '../language.ts'
import type { SourceTree } from '../source-tree.ts'

/** Languages that are recognised, so that nobody wonders why their package.json was taken for the app. */
const MARKS: readonly { readonly name: string; readonly files: readonly string[] }[] = [
  { name: 'Ruby', files: ['Gemfile'] },
  { name: 'Java', files: ['pom.xml', 'build.gradle', 'build.gradle.kts'] },
  { name: 'Scala', files: ['build.sbt'] },
  { name: 'PHP', files: ['composer.json', 'index.php'] },
  { name: 'Elixir', files: ['mix.exs'] },
  { name: 'Rust', files: ['Cargo.toml'] },
  { name: 'Deno', files: ['deno.json', 'deno.jsonc'] },
]

/** One language a mark. Each says that it cannot be built here. */
export const unsupported: readonly Language[] = [
  ...MARKS.map(({ name, files }) => refuse(name, tree => tree.first(...files))),
  refuse('.NET', tree => tree.list().find(file => /\.(?:cs|fs|vb)proj$|\.sln$/.test(file))),
]

function refuse(name: string, detect: (tree: SourceTree) => string | undefined): Language {
  return {
    name,
    detect,
    async plan() {
      throw new BuildFailure(
        `${name} is not supported in embedded mode yet`,
        'embedded mode builds Python, Go, Node.js and static files; on a cluster, buildpacks build the rest',
      )
    },
  }
}
