import { type Fields, optionalMap, optionalText } from './fields.ts'
import { isImageReference } from './image.ts'
import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid } from './refusal.ts'
import { timestamp } from './timestamp.ts'

/** What can be run: an image, and the command of each process type. Empty strings and maps where a part is unset. */
export interface Build {
  readonly uuid: string
  readonly owner: string
  readonly image: string
  readonly sha: string
  readonly procfile: Readonly<Record<string, string>>
  readonly dockerfile: string
  readonly created: string
  readonly updated: string
}

/** How the image came to be; it decides the process types of a first deploy. */
export type BuildKind = 'buildpack' | 'dockerfile' | 'image'

const SHA_LENGTH_MAX = 40
const IMAGE_LENGTH_MAX = 1024
const DOCKERFILE_LENGTH_MAX = 65_536

/** Reads the parts of a build out of a request. @throws {Refusal} 400 under the field at fault */
export function parseBuild(fields: Fields): Pick<Build, 'image' | 'sha' | 'procfile' | 'dockerfile'> {
  const image = optionalText(fields, 'image')
  if (image === undefined) throw invalid('image', 'This field is required.')
  if (!image) throw invalid('image', 'This field may not be blank.')
  if (image.length > IMAGE_LENGTH_MAX || /[\s\p{Cc}]/u.test(image)) throw invalid('image', 'Image must be a reference without spaces')
  const sha = optionalText(fields, 'sha') ?? ''
  // A classic builder's slug is a path, told by its commit; what Kubernetes is to pull must be a name that it can read.
  if (!sha && !isImageReference(image)) throw invalid('image', 'Image must be written as repository:tag or repository@sha256:digest')
  if (sha.length > SHA_LENGTH_MAX) throw invalid('sha', `Ensure this field has no more than ${SHA_LENGTH_MAX} characters.`)
  // It goes into summaries, an annotation and a variable.
  if (/[\s\p{Cc}]/u.test(sha)) throw invalid('sha', 'Not a valid string.')
  const dockerfile = optionalText(fields, 'dockerfile') ?? ''
  if (dockerfile.length > DOCKERFILE_LENGTH_MAX)
    throw invalid('dockerfile', `Ensure this field has no more than ${DOCKERFILE_LENGTH_MAX} characters.`)
  return { image, sha, dockerfile, procfile: parseProcfile(fields) }
}

/** A Dockerfile makes it a Dockerfile build; otherwise a commit makes it a buildpack's; otherwise the image was given as it is. */
export function kindOf(build: Pick<Build, 'sha' | 'dockerfile'>): BuildKind {
  if (build.dockerfile) return 'dockerfile'
  return build.sha ? 'buildpack' : 'image'
}

/** The build as the API shows it. */
export function showBuild(app: string, build: Build) {
  return { ...build, app, created: timestamp(build.created), updated: timestamp(build.updated) }
}

function parseProcfile(fields: Fields): Record<string, string> {
  const procfile: Record<string, string> = {}
  for (const [type, command] of optionalMap(fields, 'procfile') ?? []) {
    if (!isProcessType(type)) throw invalid('procfile', PROCESS_TYPE_RULE)
    if (typeof command !== 'string' || !command.trim()) throw invalid('procfile', "Command can't be empty for process type")
    if (command.includes('\0')) throw invalid('procfile', 'Command must not contain NUL')
    procfile[type] = command
  }
  return procfile
}
