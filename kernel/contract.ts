/**
 * The shapes that cross a process: names of labels and annotations, and the bodies of calls between roles. Both sides read them here,
 * so that a change of one is a type error in the other.
 */

/** Where the platform's own objects live unless `POD_NAMESPACE` says otherwise. */
export const PLATFORM_NAMESPACE = 'drycc'

/** The prefix that the platform writes; {@link ROUTER_PREFIXES} lists those that the router reads. */
export const ROUTER_PREFIX = 'router.drycc.cc/'

/** Both families of router annotations, the platform's own first. */
export const ROUTER_PREFIXES = [ROUTER_PREFIX, 'router.deis.io/'] as const

/** Labels on every object of an app, by which clients, the logger and the builder select. */
export const LABELS = {
  app: 'app',
  type: 'type',
  version: 'version',
  heritage: 'heritage',
} as const

export const HERITAGE = 'drycc'

/** On a pod of embedded mode: JSON from declared container port to the port that the process really got. */
export const POD_PORTS_ANNOTATION = 'kubelet.drycc.cc/ports'

/** What the builder hands to a build runner, as one JSON value on its standard input. */
export interface BuildRequest {
  readonly app: string
  /** The full commit id. */
  readonly sha: string
  /** An absolute folder with the pushed tree; the runner may change it, the builder removes it. */
  readonly source: string
  /** The app's config. */
  readonly env: Readonly<Record<string, string>>
  /** What the runner may keep between builds goes under this name. */
  readonly cacheKey: string
  readonly timeoutMs: number
  readonly color: boolean
}

/** What a build runner answers, as one JSON value on file descriptor 3, before it ends with code 0. */
export interface BuildResult {
  readonly image: string
  readonly procfile: Readonly<Record<string, string>>
  /** `'true'` for a Dockerfile build, as the build hook wants it. */
  readonly dockerfile: '' | 'true'
  /** What was recognised, for people: `Node.js 26 (package.json)`. */
  readonly detected: string
}

/** Answer of `GET /v2/hooks/key/<fingerprint>` and `POST /v2/hooks/authenticate/`: a user and the apps that he may use. */
export interface HookKey {
  readonly username: string
  readonly apps: readonly string[]
}

/** Body of `POST /v2/hooks/authenticate/`; the password may also be the user's token. */
export interface HookAuthenticateRequest {
  readonly username: string
  readonly password: string
}

/** Body of `POST /v2/hooks/config/`. */
export interface HookConfigRequest {
  readonly receive_user: string
  readonly receive_repo: string
}

/** Body of `POST /v2/hooks/build/`. `sha` is the first 8 characters of the commit id. */
export interface HookBuildRequest extends HookConfigRequest {
  readonly image: string
  readonly sha: string
  readonly procfile: Readonly<Record<string, string>>
  readonly dockerfile: '' | 'true'
}

/** Answer of `POST /v2/hooks/build/`, given after the rollout. */
export interface HookBuildResult {
  readonly release: { readonly version: number }
  /** Where the app answers, the best first. */
  readonly urls?: readonly string[]
}

/** The header that carries the key shared by builder and control plane. */
export const BUILDER_AUTH_HEADER = 'x-deis-builder-auth'

/** One line of the platform about an app, sent to the logger as newline-delimited JSON. */
export interface PlatformLine {
  /** RFC 3339. */
  readonly ts: string
  readonly app: string
  readonly source: 'controller' | 'build' | 'release' | 'run'
  readonly level: 'INFO' | 'WARN' | 'ERROR'
  readonly text: string
}

/**
 * One exchange as the router remembers it, for the owner of its app: the router's page `/requests`, and `GET /v2/apps/<app>/requests/`. No
 * query and no header field: they carry tokens and sessions, which not every collaborator may have.
 */
export interface RecentRequest {
  /** When it ended, ISO 8601. */
  readonly time: string
  /** The router's label of the app. */
  readonly app: string
  readonly client: string
  readonly method: string
  readonly host: string
  /** Without its query, cut to 160 bytes. */
  readonly path: string
  readonly status: number
  /** The router's error code, where it or the app failed. */
  readonly code?: string
  /** Whom the last attempt asked. */
  readonly endpoint?: string
  readonly attempts: number
  readonly bytes: number
  readonly seconds: number
  /** From the request given to the endpoint to the head of its answer. */
  readonly upstreamSeconds?: number
  readonly requestId?: string
  readonly traceId?: string
}

/** What a router would do with a request for a host, and why: its page `/why`, and `GET /v2/apps/<app>/routing/`. */
export interface RouteExplanation {
  readonly host: string
  /** `forward`, the status that the router would answer with, or `unknown` where it depends on the client. */
  readonly outcome: string
  readonly code?: string
  /** Of a redirect. */
  readonly location?: string
  readonly reason: string
  /** `namespace/name`. */
  readonly service?: string
  readonly conditions: readonly string[]
  readonly endpoints?: readonly {
    readonly endpoint: string
    readonly active: number
    readonly isEjected: boolean
    readonly isServing?: false
    readonly isTerminating?: true
  }[]
  /** What comes close, or is refused of the app's annotations. */
  readonly nearMisses?: readonly string[]
}

/** On a ConfigMap with error pages: the router covers all that have it by one watch. */
export const PAGES_LABEL = `${ROUTER_PREFIX}pages`

/** What a page of an app's own stands for, and its form: `maintenance.html`, `R20.json`, `503.html`, `5xx.txt`, `error.html`. */
export const PAGE_NAME = /^(?:maintenance|error|R\d\d|[45]\d\d|[45]xx)\.(?:html|json|txt)$/

/** Of one page: it is sent as one piece. */
export const PAGE_BYTES_MAX = 128 * 1024

/** Of all pages of one ConfigMap: they stand in the memory of each of the router's workers. */
export const PAGES_BYTES_MAX = 512 * 1024

/**
 * The ConfigMap of the routers' namespace by which they tell for what names clients asked over TLS that an app may have a certificate for and has
 * none: from name to the time of the question, ISO 8601. The control plane writes the time of its answer and {@link WANTED_DENIED} behind a name
 * that gets none. What is older than {@link WANTED_MS_MAX} says nothing any more.
 */
export const WANTED_NAMES = 'drycc-router-wanted-names'

export const WANTED_DENIED = 'no'

export const WANTED_MS_MAX = 60_000

/** In it at once. */
export const WANTED_COUNT_MAX = 100

/** A host name of the public internet, in lower case, that an authority may certify: labels of letters and digits, the last of them no number. */
export const CERTIFIABLE_NAME = /^(?=.{4,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/
