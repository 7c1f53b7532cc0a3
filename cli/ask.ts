import { CommandError } from './command-error.ts'

/** Asks for a text. @throws {CommandError} without a terminal: a script must give `flag` instead */
export async function askText(message: string, flag: string): Promise<string> {
  const { text, options } = await prompts(flag)
  return answered(text({ message, validate: required, ...options }))
}

/** As {@link askText}, without showing what is typed. */
export async function askPassword(message: string, flag: string): Promise<string> {
  const { password, options } = await prompts(flag)
  return answered(password({ message, validate: required, ...options }))
}

/** Asks for a yes; no is what Enter alone says. @throws {CommandError} as {@link askText} */
export async function askConfirm(message: string, flag: string): Promise<boolean> {
  const { confirm, options } = await prompts(flag)
  return answered(confirm({ message, initialValue: false, ...options }))
}

/** Refuses before a prompt is drawn that nobody could answer. The library is loaded for who asks only: it costs as much as a whole command. */
async function prompts(flag: string) {
  if (!process.stdin.isTTY) throw new CommandError(`Cannot ask without a terminal: give ${flag}`, 2)
  return { ...(await import('@clack/prompts')), options: { output: process.stderr } }
}

function required(value: string | undefined): string | undefined {
  return value ? undefined : 'This is needed'
}

async function answered<T>(prompt: Promise<T>): Promise<Exclude<T, symbol>> {
  const answer = await prompt
  if (typeof answer === 'symbol') throw new CommandError('Cancelled', 130)
  return answer as Exclude<T, symbol>
}
