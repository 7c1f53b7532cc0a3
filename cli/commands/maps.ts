import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import type { Context } from '../context.ts'
import { parsePair } from '../env-file.ts'

/** Names and texts that an app has, kept under one field of its config or its settings. */
interface MapTopic {
  readonly topic: string
  readonly path: 'config/' | 'settings/'
  readonly field: string
  readonly title: string
  readonly example: string
  readonly list: string
  readonly set: string
  readonly unset: string
}

const TOPICS: readonly MapTopic[] = [
  {
    topic: 'tags',
    path: 'config/',
    field: 'tags',
    title: 'Tags',
    example: 'rack=3',
    list: 'show the labels that a node must carry to run an app',
    set: 'run an app only on nodes with these labels',
    unset: 'no longer ask for labels of nodes',
  },
  {
    topic: 'registry',
    path: 'config/',
    field: 'registry',
    title: 'Registry',
    example: 'username=ana password=secret',
    list: "show the credentials for the registry of an app's image",
    set: 'set credentials for a private registry; the config must have PORT',
    unset: 'remove credentials for a private registry',
  },
  {
    topic: 'labels',
    path: 'settings/',
    field: 'label',
    title: 'Labels',
    example: 'team=frontend',
    list: 'show the labels that people gave an app',
    set: 'label an app, for people and tools',
    unset: 'remove labels of an app',
  },
]

type Settings = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Commands about maps of texts: tags, registry, labels. */
export function addMapCommands(program: Command): void {
  for (const map of TOPICS) {
    const { topic, example, list, set, unset } = map
    addCommand(program, {
      usage: topic,
      aliases: [`${topic}:list`],
      summary: list,
      ofApp: true,
      action: async context => show(context, map, await context.api.get<Settings>(context.path(map.path))),
    })
    addCommand(program, {
      usage: `${topic}:set <name=value...>`,
      summary: set,
      ofApp: true,
      examples: [`${topic}:set ${example}`],
      async action(context, _, ...pairs) {
        await change(context, map, Object.fromEntries(pairs.map(pair => parsePair(pair, example))))
      },
    })
    addCommand(program, {
      usage: `${topic}:unset <name...>`,
      summary: unset,
      ofApp: true,
      async action(context, _, ...names) {
        await change(context, map, Object.fromEntries(names.map(name => [name, null])))
      },
    })
  }
}

async function change(context: Context, map: MapTopic, entries: Readonly<Record<string, string | null>>): Promise<void> {
  const work = context.api.post<Settings>(context.path(map.path), { [map.field]: entries })
  show(context, map, await context.output.progress(`Applying ${map.topic}`, work))
}

function show({ output, app }: Context, { field, title }: MapTopic, settings: Settings): void {
  const entries = settings[field] ?? {}
  output.result(entries, () => {
    output.title(`${app} ${title}`)
    output.pairs(Object.entries(entries))
  })
}
