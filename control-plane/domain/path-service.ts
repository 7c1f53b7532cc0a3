import { type Fields, requiredText } from './fields.ts'
import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid } from './refusal.ts'

/** What the API calls a service: a process type that answers some paths of its app's host. */
export interface PathService {
  readonly procfile_type: string
  /** Beginnings of paths, comma-separated: `/api,/ws/`. */
  readonly path_pattern: string
}

// As the router reads the beginning of a path.
const PATH = /^\/[!$-+\--;=@-Z_a-z~%]*$/
const PATTERN_LENGTH_MAX = 4096
const PATH_LENGTH_MAX = 1024
const SERVICE_NAME_LENGTH_MAX = 63

/** Reads a request to serve paths. @throws {Refusal} 400 under the field at fault */
export function parsePathService(app: string, fields: Fields): PathService {
  const procfile_type = parseServiceType(app, fields)
  const text = requiredText(fields, 'path_pattern')
  if (!text) throw invalid('path_pattern', 'This field may not be blank.')
  if (text.length > PATTERN_LENGTH_MAX)
    throw invalid('path_pattern', `Ensure this field has no more than ${PATTERN_LENGTH_MAX} characters.`)
  const paths = text.split(',').map(path => path.trim())
  if (!paths.every(path => PATH.test(path) && path.length <= PATH_LENGTH_MAX))
    throw invalid('path_pattern', 'Path patterns must be beginnings of paths such as /api, separated by commas')
  return { procfile_type, path_pattern: [...new Set(paths)].join(',') }
}

/** Reads whose paths are meant. @throws {Refusal} 400 under `procfile_type` */
export function parseServiceType(app: string, fields: Fields): string {
  const type = requiredText(fields, 'procfile_type')
  if (!isProcessType(type)) throw invalid('procfile_type', PROCESS_TYPE_RULE)
  const lengthMax = SERVICE_NAME_LENGTH_MAX - app.length - 1
  if (type.length > lengthMax) throw invalid('procfile_type', `Ensure this field has no more than ${lengthMax} characters.`)
  return type
}
