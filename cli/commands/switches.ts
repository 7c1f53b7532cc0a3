import type { Command } from 'commander'
import { addCommand } from '../command.ts'

/** Something of an app that is on or off. */
interface Switch {
  readonly topic: string
  readonly path: string
  readonly field: string
  /** Where the platform has no value yet. */
  readonly isOnByDefault: boolean
  readonly on: { readonly word: string; readonly summary: string; readonly state: string }
  readonly off: { readonly word: string; readonly summary: string; readonly state: string }
  readonly summary: string
}

const SWITCHES: readonly Switch[] = [
  {
    topic: 'maintenance',
    path: 'settings/',
    field: 'maintenance',
    isOnByDefault: false,
    summary: 'show whether an app is in maintenance',
    on: { word: 'on', summary: 'answer every request with a page that says so', state: 'Maintenance mode is on' },
    off: { word: 'off', summary: 'serve the app again', state: 'Maintenance mode is off' },
  },
  {
    topic: 'routing',
    path: 'settings/',
    field: 'routable',
    isOnByDefault: true,
    summary: 'show whether an app can be reached from outside',
    on: { word: 'enable', summary: 'let requests from outside reach an app', state: 'Routing is enabled' },
    off: { word: 'disable', summary: 'hide an app from outside; its processes run on', state: 'Routing is disabled' },
  },
]

/** Commands that turn something of an app on or off: maintenance, routing. */
export function addSwitchCommands(program: Command): void {
  for (const { topic, path, field, isOnByDefault, summary, on, off } of SWITCHES) {
    addCommand(program, {
      usage: topic,
      aliases: [`${topic}:info`],
      summary,
      ofApp: true,
      async action(context) {
        const settings = await context.api.get<Record<string, boolean | null | undefined>>(context.path(path))
        const isOn = settings[field] ?? isOnByDefault
        context.output.result(settings, () => context.output.line(`${isOn ? on.state : off.state} for ${context.app}`))
      },
    })
    for (const [value, { word, summary: what, state }] of [[true, on] as const, [false, off] as const]) {
      addCommand(program, {
        usage: `${topic}:${word}`,
        summary: what,
        ofApp: true,
        async action(context) {
          const settings = await context.api.post<object>(context.path(path), { [field]: value })
          context.output.done(settings, `${state} for ${context.app}`)
        },
      })
    }
  }
}
