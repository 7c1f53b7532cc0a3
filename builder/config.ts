import {
  bytes,
  duration,
  type Environment,
  flag,
  integer,
  optional,
  parsed,
  port,
  type Reader,
  readEnv,
  secret,
  text,
} from '../kernel/settings.ts'

/** Everything that the builder is told from outside. */
export type BuilderConfig = ReturnType<typeof builderConfig>

/**
 * Reads the builder's settings.
 *
 * @throws {SettingsError} naming every setting that is missing or malformed
 */
export function builderConfig(env: Environment) {
  return readEnv(env, {
    bind: text('BUILDER_BIND', '0.0.0.0'),
    sshPort: port('BUILDER_SSH_PORT', '2223'),
    httpPort: port('BUILDER_HTTP_PORT', '8093'),
    healthPort: port('BUILDER_HEALTH_PORT', '8092'),
    /** Repositories, host keys and running builds live here. */
    home: text('BUILDER_HOME'),
    /** Where the host keys are when something else made them; they are then only read. */
    hostKeys: optional('BUILDER_HOST_KEYS'),
    /** Where the run command keeps what it caches, one folder an app: they are removed with their app. */
    cachePath: optional('BUILDER_CACHE'),
    controllerUrl: parsed('BUILDER_CONTROLLER_URL', '', httpUrl),
    /** Shared with the control plane; it is sent with every hook call and nowhere else. */
    key: required('BUILDER_KEY', secret('BUILDER_KEY')),
    /** The program that turns a source tree into an image, as a JSON array of its arguments. */
    runCommand: parsed('BUILDER_RUN_COMMAND', '', commandLine),

    buildTimeoutMs: duration('BUILDER_BUILD_TIMEOUT', '20m'),
    buildCountMax: integer('BUILDER_BUILD_COUNT_MAX', '2', { min: 1, max: 64 }),
    buildOutputBytesMax: bytes('BUILDER_BUILD_OUTPUT_MAX', '10M'),
    /** A rollout is followed by the control plane, for as long as its own limit says; this only ends a call that hangs. */
    releaseTimeoutMs: duration('BUILDER_RELEASE_TIMEOUT', '30m'),
    sourceBytesMax: bytes('BUILDER_SOURCE_MAX', '500M'),
    sourceFileCountMax: integer('BUILDER_SOURCE_FILES_MAX', '50000', { min: 1 }),

    /** Whether the router says who connects: then the SSH port must be reachable for the router alone, as the header is believed. */
    proxyProtocol: flag('BUILDER_PROXY_PROTOCOL', 'false'),
    connectionCountMax: integer('BUILDER_CONNECTIONS_MAX', '128', { min: 1 }),
    authTimeoutMs: duration('BUILDER_AUTH_TIMEOUT', '30s'),
    keepaliveMs: duration('BUILDER_KEEPALIVE', '15s'),
    /** A client who neither sends nor takes anything for this long loses the app's lock. Compressing a large history takes minutes. */
    idleTimeoutMs: duration('BUILDER_IDLE_TIMEOUT', '10m'),
  })
}

function required<T>(name: string, read: Reader<T | undefined>): Reader<T> {
  return env => {
    const value = read(env)
    if (value === undefined) throw new Error(`${name} is not set: give it a value, or name a file with ${name}_FILE`)
    return value
  }
}

function httpUrl(value: string): string {
  if (!URL.canParse(value) || !/^https?:/.test(value)) throw new Error(`Cannot read address "${value}": write it as http://host:port`)
  return value.replace(/\/+$/, '')
}

function commandLine(value: string): readonly string[] {
  const wanted = `Cannot read command ${value || '""'}: write a JSON array of texts, the program first`
  let words: unknown
  try {
    words = JSON.parse(value)
  } catch {
    throw new Error(wanted)
  }
  if (!Array.isArray(words) || words.length === 0 || !words.every(word => typeof word === 'string')) throw new Error(wanted)
  return words
}
