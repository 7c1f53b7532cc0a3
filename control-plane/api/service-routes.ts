import type { Deployer } from '../deploy/deployer.ts'
import { own } from '../domain/fields.ts'
import { parsePathService, parseServiceType } from '../domain/path-service.ts'
import { invalid, missing } from '../domain/refusal.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface ServiceParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly platformLog: PlatformLog
}

const SERVICES_MAX = 64

/** Process types that answer paths of the app's host. */
export function serviceRoutes(routes: Routes, { records, deployer, platformLog }: ServiceParts): void {
  routes.app('/services/', {
    GET: ({ app }) =>
      ok({ services: Object.entries(app.services ?? {}).map(([procfile_type, path_pattern]) => ({ procfile_type, path_pattern })) }),
    async POST({ app, body }) {
      const service = parsePathService(app.id, body)
      const { procfile_type: type, path_pattern: paths } = service
      if (own(app.services ?? {}, type) === paths) return noContent()
      await records.apps.update(app.id, ({ services = {} }) => {
        if (Object.keys(services).length >= SERVICES_MAX) throw invalid('procfile_type', `An app can have ${SERVICES_MAX} services`)
        return { services: { ...services, [type]: paths } }
      })
      await deployer.sync(app.id)
      platformLog.say(app.id, `service ${app.id}-${type} serves ${paths}`)
      return created(service)
    },
    async DELETE({ app, body }) {
      const type = parseServiceType(app.id, body)
      await records.apps.update(app.id, ({ services = {} }) => {
        if (!Object.hasOwn(services, type)) throw missing('Service')
        return { services: Object.fromEntries(Object.entries(services).filter(([standing]) => standing !== type)) }
      })
      await deployer.sync(app.id)
      platformLog.say(app.id, `service ${app.id}-${type} removed`)
      return noContent()
    },
  })
}
