import { BuildFailure } from './failure.ts'

/** As the control plane takes them: they become part of a Deployment's name. */
const PROCESS_TYPE = /^[a-z0-9]+(?:-[a-z0-9]+)*$/

/**
 * Reads a Procfile: `type: command` a line, `#` comments. Commands may stand in quotes, as the classic platform read the file as YAML.
 *
 * @returns the commands by process type, and what is odd about the file
 * @throws {BuildFailure} naming the line that is neither a process, a comment nor empty
 */
export function parseProcfile(text: string): { processes: Record<string, string>; warnings: string[] } {
  const processes: Record<string, string> = {}
  const warnings: string[] = []
  for (const [index, raw] of text
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#') || line === '---') continue
    const [, type, rest] = /^([A-Za-z0-9_-]+)\s*:\s*(.*)$/.exec(line) ?? []
    const command = unquote(rest ?? '')
    if (type === undefined || command === '') {
      throw new BuildFailure(
        `Cannot read line ${index + 1} of the Procfile, "${line}"`,
        'write each process as <type>: <command>, such as web: node server.js',
      )
    }
    if (!PROCESS_TYPE.test(type)) {
      throw new BuildFailure(
        `The Procfile names a process type "${type}"`,
        'use small letters, digits and single dashes only, such as web or queue-worker',
      )
    }
    if (processes[type] !== undefined) warnings.push(`the Procfile has "${type}" twice: its last line counts`)
    if (type === 'web' && /(?:^|[\s=:])(?:80|3000|5000|8000|8080)(?:\s|$)/.test(command) && !command.includes('PORT')) {
      warnings.push('the web process seems to choose its own port: it must listen on the one that the variable PORT gives')
    }
    processes[type] = command
  }
  return { processes, warnings }
}

function unquote(text: string): string {
  const [, double, single] = /^(?:"((?:[^"\\]|\\.)*)"|'((?:[^']|'')*)')$/.exec(text) ?? []
  if (double !== undefined) return double.replace(/\\(["\\])/g, '$1').trim()
  if (single !== undefined) return single.replaceAll("''", "'").trim()
  return text.trim()
}
