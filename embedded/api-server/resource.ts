import type { Exchange } from './api.ts'
import { flagParameter, type Target } from './http-request.ts'
import { methodNotAllowed } from './status.ts'
import { deleteMany, deleteOne, patch, post, put } from './verbs/change.ts'
import { getOne, list, watch } from './verbs/read.ts'
import { handleSubresource } from './verbs/subresource.ts'

/** Answers a request for a resource: its verb, then its subresource. */
export async function handleResource(exchange: Exchange, target: Target): Promise<void> {
  const { request } = exchange
  if (target.subresource) return handleSubresource(exchange, target)
  if (target.name) {
    switch (request.method) {
      case 'GET':
        return getOne(exchange, target)
      case 'PUT':
        return put(exchange, target)
      case 'PATCH':
        return patch(exchange, target)
      case 'DELETE':
        return deleteOne(exchange, target)
    }
    throw methodNotAllowed()
  }
  switch (request.method) {
    case 'GET':
      return flagParameter(exchange.url.searchParams, 'watch') ? watch(exchange, target) : list(exchange, target)
    case 'POST':
      return post(exchange, target)
    case 'DELETE':
      return deleteMany(exchange, target)
  }
  throw methodNotAllowed()
}
