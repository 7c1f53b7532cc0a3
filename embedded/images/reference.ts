/** What names an image: a repository with a tag, a digest or both; the digest rules. */
export interface ImageReference {
  /** With its registry host where it has one: `embedded/shop`, `registry.example.com:5000/team/shop`. */
  readonly repository: string
  /** `latest` where the text has neither tag nor digest. */
  readonly tag?: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest?: string
}

const HOST = '(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\\d{1,5})?/)?'
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const REFERENCE = new RegExp(`^(${HOST}${COMPONENT}(?:/${COMPONENT})*)(?::(\\w[\\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`)

/** A repository longer than this is refused, as registries do. */
const REPOSITORY_LENGTH_MAX = 255

/**
 * Reads an image reference.
 *
 * @throws {RangeError} for text that is none
 * @see https://github.com/distribution/reference
 */
export function parseReference(text: string): ImageReference {
  const [, repository, tag, digest] = REFERENCE.exec(text) ?? []
  if (repository === undefined || repository.length > REPOSITORY_LENGTH_MAX)
    throw new RangeError(`Cannot read image reference "${text}": write it as repository:tag or repository@sha256:…`)
  if (digest !== undefined) return { repository, digest, ...(tag === undefined ? {} : { tag }) }
  return { repository, tag: tag ?? 'latest' }
}

/** Writes a reference as {@link parseReference} reads it. */
export function formatReference({ repository, tag, digest }: ImageReference): string {
  return `${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}
