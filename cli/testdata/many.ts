// Runs many command lines in one process, since each process of its own costs more than all of these together: reads
// [{args: […]}] from standard input and prints [{code, stdout, stderr}].
import { text } from 'node:stream/consumers'
import { runCommandLine } from '../run.ts'

const lines = JSON.parse(await text(process.stdin)) as string[][]
const outcomes: { code: number; stdout: string; stderr: string }[] = []
const write = process.stdout.write.bind(process.stdout)
for (const args of lines) {
  let stdout = ''
  let stderr = ''
  process.stdout.write = chunk => ((stdout += chunk), true)
  process.stderr.write = chunk => ((stderr += chunk), true)
  process.exitCode = 0
  process.argv = [process.execPath, 'drycc', ...args]
  await runCommandLine(process.argv)
  outcomes.push({ code: Number(process.exitCode), stdout, stderr })
}
process.exitCode = 0
write(JSON.stringify(outcomes))
