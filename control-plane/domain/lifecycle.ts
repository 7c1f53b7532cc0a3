import { isProcessType, PROCESS_TYPE_RULE } from './process-type.ts'
import { invalid } from './refusal.ts'

/** Checks how many seconds the processes of a type have to end. @throws {Refusal} 400 under `termination_grace_period` */
export function checkGrace(type: string, value: string): [string, string] {
  if (!isProcessType(type)) throw invalid('termination_grace_period', PROCESS_TYPE_RULE)
  // A day and more: longer is a slip of the finger, and a Deployment would wait for it.
  if (!/^\d{1,5}$/.test(value))
    throw invalid('termination_grace_period', 'Termination Grace Period format: <value>, where value must be a numeric')
  return [type, value]
}

/** A rule for the shell lines that a process type runs after its start or before its end. @throws {Refusal} 400 under `map` */
export function checkHook(map: 'lifecycle_post_start' | 'lifecycle_pre_stop') {
  return (type: string, line: string): [string, string] => {
    if (!isProcessType(type)) throw invalid(map, PROCESS_TYPE_RULE)
    if (!line.trim() || line.includes('\0')) throw invalid(map, `Value of ${type} must be a line for the shell`)
    return [type, line]
  }
}
