import type { RouterConfig } from '../config.ts'
import type { TableDelta } from '../table/spec.ts'
import { Responders } from './responders.ts'
import { Stapler, type StaplerOptions, type Staples } from './stapler.ts'

/** Keeps OCSP responses as the settings say. `stop` must be called once. */
export function startStapler(
  { ocsp, ocspNetworks }: Pick<RouterConfig, 'ocsp' | 'ocspNetworks'>,
  options: Omit<StaplerOptions, 'ask'>,
): Stapler {
  if (!ocsp) return new Stapler(options)
  const responders = new Responders(ocspNetworks)
  return new Stapler({ ...options, ask: (...question) => responders.ask(...question), onStop: () => responders.close() })
}

/** A change of the table that brings responses and nothing else. */
export function stapleDelta(version: number, staples: Staples): TableDelta {
  return { version, whole: false, routes: [], hosts: [], certificates: [], staples }
}
