import { bytes, duration, type Environment, integer, oneOf, optional, port, readEnv, SettingsError, text } from '../kernel/settings.ts'

/** Everything that the logger is told from outside. */
export type LoggerConfig = ReturnType<typeof loggerConfig>

/**
 * Reads the logger's settings.
 *
 * @throws {SettingsError} naming every setting that is missing or malformed
 */
export function loggerConfig(env: Environment) {
  const config = readEnv(env, {
    bind: text('LOGGER_BIND', '0.0.0.0'),
    port: port('LOGGER_PORT', '8088'),
    adminPort: port('LOGGER_ADMIN_PORT', '8089'),
    storage: oneOf('STORAGE_ADAPTER', ['memory', 'file'], 'memory'),
    /** Where the file storage keeps its lines. */
    home: optional('LOGGER_HOME'),
    lineCountMax: integer('NUMBER_OF_LINES', '10000', { min: 1 }),
    bytesMax: bytes('LOGGER_APP_BYTES_MAX', '50M'),
    ageMs: duration('LOGGER_RETENTION', '7d'),
    followerCountMax: integer('LOGGER_FOLLOWERS_MAX', '1000', { min: 1 }),
  })
  if (config.storage === 'file' && !config.home) throw new SettingsError(['LOGGER_HOME is not set: STORAGE_ADAPTER=file needs a folder'])
  return config
}
