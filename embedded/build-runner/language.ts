import type { SourceTree } from './source-tree.ts'

/** What a language's part of the build works with. */
export interface BuildContext {
  readonly tree: SourceTree
  /** The app's config. */
  readonly config: Readonly<Record<string, string>>
  /** Kept between the builds of one app. */
  readonly cachePath: string
  /** What the steps see: a minimal base, the config, and a home of their own. */
  readonly env: NodeJS.ProcessEnv
  /** Whether a Procfile says what starts; without one the language has to know. */
  readonly hasProcfile: boolean
}

/** What a build made of a tree. */
export interface Built {
  /** Used where the Procfile does not say otherwise. */
  readonly processes: Readonly<Record<string, string>>
  /** For the app's processes; `$(DRYCC_ROOT)` stands for the folder that they run in. */
  readonly env?: Readonly<Record<string, string>>
  /** Folders to be searched for programs, before the system's: those of the app first, then of its toolchain. */
  readonly path?: readonly string[]
}

/** A language that was recognised, with the toolchain that was found for it. */
export interface Plan {
  /** Name and version, for people: `Node.js 26.10.0`. */
  readonly title: string
  /** Everything outside the tree that decides what comes out: paths and versions of tools. */
  readonly toolchain: readonly string[]
  build(): Promise<Built>
}

export interface Language {
  readonly name: string
  /** @returns the file by which an app of this language is known, or `undefined` */
  detect(tree: SourceTree): string | undefined
  /** Looks for the toolchain; nothing has been changed yet. @throws {BuildFailure} when it is missing */
  plan(context: BuildContext): Promise<Plan>
}
