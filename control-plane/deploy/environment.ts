import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { Release } from '../domain/release.ts'
import { timestamp } from '../domain/timestamp.ts'

// What a process listens on that nobody gave a port.
const DEFAULT_PORT = 5000

/** The port on which the app's processes listen. */
export function portOf(release: Release): number {
  return Number(release.config.values['PORT'] ?? DEFAULT_PORT)
}

/** The environment of a release's processes: what the platform tells them, overridden by what the user set. */
export function environmentOf(release: Release): Readonly<Record<string, string>> {
  const { app, version, build, config } = release
  return {
    DEIS_APP: app,
    DRYCC_APP: app,
    WORKFLOW_RELEASE: `v${version}`,
    WORKFLOW_RELEASE_SUMMARY: release.summary,
    WORKFLOW_RELEASE_CREATED_AT: timestamp(release.created),
    ...(build?.sha ? { SOURCE_VERSION: build.sha } : {}),
    ...config.values,
    PORT: String(portOf(release)),
  }
}

/** Names the Secret of {@link environmentSecret}. */
export function environmentName(app: string, version: number): string {
  return `${app}-v${version}-env`
}

/** Keeps the environment of a release, one key a variable under its own name. */
export function environmentSecret(release: Release): Secret {
  const { app, version } = release
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: environmentName(app, version),
      namespace: app,
      labels: { [LABELS.app]: app, [LABELS.heritage]: HERITAGE, [LABELS.version]: `v${version}`, [LABELS.type]: 'env' },
    },
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(environmentOf(release)).map(([name, value]) => [name, Buffer.from(value).toString('base64')])),
  }
}
