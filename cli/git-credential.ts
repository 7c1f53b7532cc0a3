import { CommandError } from './command-error.ts'
import { readProfile } from './profile.ts'

/**
 * Answers a question of git for credentials with the login of this machine, for the platform of that login and for no other host. Where
 * there is none git is told to give up, with a reason, rather than to ask the person for a password that he does not have.
 *
 * @param question lines `name=value`
 * @see https://git-scm.com/docs/git-credential#IOFMT
 */
export function answerCredential(question: string, env: NodeJS.ProcessEnv): { answer: string; warning?: string } {
  const asked = new Map(question.split('\n').map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]))
  const address = `${asked.get('protocol')}://${asked.get('host')}`
  try {
    const { controller, username, token } = readProfile(env)
    const { origin } = new URL(controller)
    if (URL.parse(address)?.origin !== origin)
      return { answer: 'quit=1\n', warning: `the login is for ${origin}, not for ${address}: use drycc login ${address}` }
    // git names a user when the remote's address does.
    const wanted = asked.get('username')
    if (wanted !== undefined && wanted !== username) return { answer: '' }
    if (/[\n\0]/.test(username + token)) return { answer: 'quit=1\n', warning: 'the kept login is damaged: use drycc login' }
    return { answer: `username=${username}\npassword=${token}\n` }
  } catch (error) {
    if (error instanceof CommandError) return { answer: 'quit=1\n', warning: error.message.replace('ADDRESS', address) }
    throw error
  }
}
