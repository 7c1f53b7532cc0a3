const HOST = '(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\\d{1,5})?/)?'
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const REFERENCE = new RegExp(`^${HOST}${COMPONENT}(?:/${COMPONENT})*(?::\\w[\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`)

/**
 * True for text that names an image: a repository, with its registry's host where it has one, and a tag, a digest or both.
 *
 * @see https://github.com/distribution/reference
 */
export function isImageReference(text: string): boolean {
  return REFERENCE.test(text)
}

/**
 * The app whose image this is, when the platform built it. Spellings of one registry's host count as one: they differ in case, in a dot at the
 * end, or in the port that is meant anyway.
 *
 * @param prefix what stands before the app's name in the references of such images
 */
export function imageOwner(image: string, prefix: string): string | undefined {
  const [plain, own] = [withPlainHost(image), withPlainHost(prefix)]
  return plain.startsWith(own) ? /^[^/:@]*/.exec(plain.slice(own.length))?.[0] : undefined
}

function withPlainHost(reference: string): string {
  const slash = reference.indexOf('/')
  if (slash < 0) return reference
  const host = reference.slice(0, slash).toLowerCase()
  return host.replace(/:(443|80)$/, '').replace(/\.$/, '') + reference.slice(slash)
}
