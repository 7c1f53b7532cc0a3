import { duration, type Environment, integer, list, port, readEnv, secret, text } from '../../kernel/settings.ts'

/** The settings of the process. */
export type ApiServerSettings = ReturnType<typeof apiServerSettings>

/** Reads them. @throws {SettingsError} */
export function apiServerSettings(env: Environment) {
  return readEnv(env, {
    port: port('APISERVER_PORT', '6443'),
    bind: text('APISERVER_BIND', '127.0.0.1'),
    /** Keys, kubeconfig and state. */
    home: text('APISERVER_HOME'),
    /** What the server shows to kubelets; with `_FILE` the name of a file that holds it. */
    kubeletToken: secret('APISERVER_KUBELET_TOKEN'),
    /** Names and addresses for its certificate besides those of loopback. */
    names: list('APISERVER_NAMES'),
    historyMax: integer('APISERVER_HISTORY_MAX', '20000', { min: 100 }),
    watchMax: integer('APISERVER_WATCH_MAX', '2000', { min: 1 }),
    bookmarkMs: duration('APISERVER_BOOKMARK_INTERVAL', '1m'),
  })
}
