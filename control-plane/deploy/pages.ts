import type { ConfigMap } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS, PAGES_BYTES_MAX, PAGES_LABEL } from '../../kernel/contract.ts'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import type { App } from '../domain/app.ts'
import { checkText, type PageWish } from '../domain/page.ts'
import { invalid } from '../domain/refusal.ts'
import { now } from '../domain/timestamp.ts'
import type { Records } from '../records.ts'
import { put } from './put.ts'

/** Reads a page from outside. @throws {Error} with a sentence for the user */
export type FetchPage = (url: string, name: string) => Promise<string>

/** The ConfigMap with an app's pages, which the annotation `x-error-pages` of its Service names. */
export function pagesName(app: string): string {
  return `${app}-pages`
}

// What waits to be fetched again after releases.
const WAITING_MAX = 100

/** The error and maintenance pages of apps: their texts in a ConfigMap that the router reads, where they come from in the app's record. */
export class Pages {
  readonly #api: KubernetesApi
  readonly #records: Records
  readonly #fetch: FetchPage
  readonly #log: Log
  #waiting = 0

  constructor(api: KubernetesApi, records: Records, fetch: FetchPage, log: Log) {
    this.#api = api
    this.#records = records
    this.#fetch = fetch
    this.#log = log
  }

  /** Sets a page. @throws {Refusal} 400 when it cannot be fetched or is too large */
  async set(app: string, wish: PageWish): Promise<App> {
    const text = 'text' in wish ? wish.text : await this.#read(wish.url, wish.name)
    await this.#write(app, pages => ({ ...pages, [wish.name]: text }), 'text' in wish ? 'body' : 'url')
    const record = { ...('url' in wish && { url: wish.url }), bytes: Buffer.byteLength(text), updated: now() }
    return this.#records.apps.update(app, ({ pages = {} }) => ({ pages: { ...pages, [wish.name]: record } }))
  }

  /** Takes a page away; one that is not there is no fault. */
  async unset(app: string, name: string): Promise<App> {
    const without = <V>(pages: Readonly<Record<string, V>>) => Object.fromEntries(Object.entries(pages).filter(([key]) => key !== name))
    await this.#write(app, without, 'body')
    return this.#records.apps.update(app, ({ pages = {} }) => ({ pages: without(pages) }))
  }

  /** Fetches those pages of an app again that have an address; nobody waits for it, and what fails stays as it was. */
  refresh(id: string): void {
    for (const [name, { url }] of Object.entries(this.#records.apps.get(id)?.pages ?? {})) {
      if (url === undefined) continue
      if (this.#waiting >= WAITING_MAX) {
        this.#log.warn('page not fetched again: too many wait', { app: id, page: name })
        continue
      }
      this.#waiting++
      void this.#refetch(id, name, url).finally(() => this.#waiting--)
    }
  }

  async #refetch(app: string, name: string, url: string): Promise<void> {
    try {
      const text = await this.#read(url, name)
      // It may have been set to something else meanwhile.
      if (this.#records.apps.get(app)?.pages?.[name]?.url === url) await this.#write(app, pages => ({ ...pages, [name]: text }), 'url')
    } catch (error) {
      this.#log.warn('page not fetched again, the last one stays', { app, page: name, error: (error as Error).message })
    }
  }

  async #read(url: string, name: string): Promise<string> {
    const text = await this.#fetch(url, name).catch((error: Error) => {
      throw invalid('url', `The page cannot be fetched: ${error.message}`)
    })
    return checkText('url', text)
  }

  async #write(
    app: string,
    change: (pages: Readonly<Record<string, string>>) => Readonly<Record<string, string>>,
    field: 'body' | 'url',
  ): Promise<void> {
    await put<ConfigMap>(this.#api, RESOURCES.configMaps, app, pagesName(app), standing => {
      const data = change(standing?.data ?? {})
      const bytes = Object.values(data).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
      if (bytes > PAGES_BYTES_MAX) throw invalid(field, `All pages together are larger than ${PAGES_BYTES_MAX / 1024} KB.`)
      const labels = { [LABELS.app]: app, [LABELS.heritage]: HERITAGE, [PAGES_LABEL]: 'true' }
      const metadata = { ...standing?.metadata, name: pagesName(app), namespace: app, labels }
      return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data }
    }).catch((error: unknown) => {
      // The whole app has gone in between.
      if (!isStatus(error, 404)) throw error
    })
  }
}
