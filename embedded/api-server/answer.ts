import type { Exchange } from './api.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { type Form, renderObject } from './render.ts'
import { sendJson } from './send.ts'

/** Answers with JSON, or with the same as YAML where the client wants that. */
export async function answer({ response }: Exchange, code: number, json: string, form: Form): Promise<void> {
  if (!form.isYaml) return sendJson(response, code, json)
  const { stringify } = await import('yaml')
  sendJson(response, code, stringify(JSON.parse(json)), 'application/yaml')
}

/** Answers with an object that was written, once it is on disk. */
export async function answerWritten(exchange: Exchange, code: number, object: Draft, form: Form, kind: Kind): Promise<void> {
  await exchange.store.settled()
  return answer(exchange, code, renderObject(kind, { object, json: JSON.stringify(object) }, form), form)
}
