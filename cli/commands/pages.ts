import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import { readNamedFile } from '../read-file.ts'

interface ShownPage {
  readonly name: string
  readonly url: string | null
  readonly bytes: number
  readonly updated: string
}

/** Commands about the pages that visitors see of an app that does not answer. */
export function addPageCommands(program: Command): void {
  addCommand(program, {
    usage: 'pages',
    aliases: ['pages:list'],
    summary: 'list the error and maintenance pages of an app',
    ofApp: true,
    async action(context) {
      const { pages } = await context.api.get<{ pages: ShownPage[] }>(context.path('pages/'))
      context.output.result(pages, () => {
        context.output.title(`${context.app} Pages`)
        if (pages.length === 0) context.output.empty('None: visitors see those of the platform')
        for (const { name, url, bytes } of pages) context.output.line(`${name}  ${bytes} bytes  ${url ?? ''}`.trimEnd())
      })
    },
  })
  addCommand(program, {
    usage: 'pages:set <name> <source>',
    summary: 'show a file, or what a URL holds, as an error or maintenance page',
    ofApp: true,
    examples: [
      'pages:set maintenance.html soon.html',
      'pages:set 5xx.html https://www.example.com/errors/5xx.html',
      'pages:set 503.json -',
    ],
    async action(context, _, name, source) {
      if (name === undefined || source === undefined) throw new CommandError('Give the name of a page and a file or URL', 2)
      const body = /^https?:\/\//i.test(source) ? { name, url: source } : { name, body: readNamedFile(source) }
      const page = await context.output.progress(`Setting ${name}`, context.api.post<ShownPage>(context.path('pages/'), body))
      context.output.done(page, `${name} is shown for ${context.app}`)
    },
  })
  addCommand(program, {
    usage: 'pages:unset <name>',
    summary: 'show the platform’s page again',
    ofApp: true,
    async action(context, _, name) {
      await context.api.delete(context.path('pages/'), { name })
      context.output.done({ name }, `${name} is the platform’s again for ${context.app}`)
    },
  })
}
