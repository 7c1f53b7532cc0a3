import { randomInt } from 'node:crypto'
import { invalid } from './refusal.ts'

const APP_NAME = /^[a-z](?:[a-z0-9-]*[a-z0-9])?$/
const APP_NAME_LENGTH_MAX = 63

/** Names that belong to the platform or to Kubernetes; a setting adds more. */
export const RESERVED_NAMES: readonly string[] = [
  ...['drycc', 'deis', 'drycc-builder', 'deis-builder', 'drycc-router', 'deis-router', 'drycc-controller', 'deis-controller'],
  ...['drycc-logger', 'deis-logger', 'deis-workflow-manager', 'grafana', 'default', 'kube-system', 'kube-public', 'kube-node-lease'],
]

/**
 * Checks the name of a new app, which becomes a namespace, a Service and a host name.
 *
 * @param reserved names of this installation's own
 * @throws {Refusal} 400 under `id`
 */
export function checkAppName(name: string, reserved: readonly string[]): void {
  if (!name) throw invalid('id', 'This field may not be blank.')
  if (name.length > APP_NAME_LENGTH_MAX) throw invalid('id', `Ensure this field has no more than ${APP_NAME_LENGTH_MAX} characters.`)
  // Two sentences: clients compare the second one letter by letter, the first one says the rest.
  if (!APP_NAME.test(name))
    throw invalid(
      'id',
      'App name must start with an alphabetic character, cannot end with a hyphen and can only contain a-z (lowercase), 0-9 and hyphens.',
      'App name can only contain a-z (lowercase), 0-9 and hyphens',
    )
  if (reserved.includes(name) || RESERVED_NAMES.includes(name)) throw invalid('id', `${name} is a reserved name.`)
}

/** Invents a name such as `brisk-heron`. 2,304 pairs: the caller tries again where one is taken, and asks for a number in the end. */
export function inventAppName(withNumber = false): string {
  const name = `${ADJECTIVES[randomInt(ADJECTIVES.length)]}-${NOUNS[randomInt(NOUNS.length)]}`
  return withNumber ? `${name}-${randomInt(1000, 10_000)}` : name
}

const ADJECTIVES = (
  'agile amber bold brave breezy bright brisk calm candid clever coral cosmic crisp daring deft eager early fabled fancy fleet fresh gentle ' +
  'gilded golden hardy honest humble jolly keen kindly lively lucid lucky mellow merry mighty nimble noble placid polite proud quick quiet ' +
  'rustic silver snappy sunny'
).split(' ')

const NOUNS = (
  'alpaca badger beacon birch bison breeze brook canyon cedar cliff comet coyote delta dolphin eagle ember falcon fern finch fjord forest ' +
  'garnet glacier harbor heron island jaguar kestrel lagoon lantern lemur lynx maple meadow meteor nebula ocelot orchid otter panther ' +
  'pebble prairie quartz raven river sparrow summit walrus'
).split(' ')
