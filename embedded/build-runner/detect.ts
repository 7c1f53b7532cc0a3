import { BuildFailure } from './failure.ts'
import type { Language } from './language.ts'
import { go } from './languages/go.ts'
import { node } from './languages/node.ts'
import { procfileOnly } from './languages/procfile-only.ts'
import { python } from './languages/python.ts'
import { staticFiles } from './languages/static.ts'
import { unsupported } from './languages/unsupported.ts'
import type { SourceTree } from './source-tree.ts'

/**
 * The first that matches, in the order of the cluster's own buildpacks, so that both build the same app the same way. Node.js stands behind the
 * other languages because they often carry a package.json for their front end.
 */
const LANGUAGES: readonly Language[] = [python, go, ...unsupported, node, staticFiles, procfileOnly]

/** What an app is, and by which file that is known. */
export interface Detection {
  readonly language: Language
  readonly mark: string
  readonly warnings: readonly string[]
}

/** @throws {BuildFailure} when nothing matches, or only a Dockerfile */
export function detect(tree: SourceTree): Detection {
  for (const language of LANGUAGES) {
    const mark = language.detect(tree)
    if (mark === undefined) continue
    const warnings = tree.has('Dockerfile') ? [`the Dockerfile is not used in embedded mode: building with ${mark}`] : []
    return { language, mark, warnings }
  }
  if (tree.has('Dockerfile')) {
    throw new BuildFailure(
      'A Dockerfile cannot be built in embedded mode',
      'add a Procfile, or what tells the language (package.json, requirements.txt, go.mod, index.html); on a cluster the Dockerfile is built',
    )
  }
  throw new BuildFailure(
    'Cannot tell what kind of app this is',
    'add package.json (Node.js), requirements.txt (Python), go.mod (Go), index.html (static files) or a Procfile to the root of the repository',
  )
}
