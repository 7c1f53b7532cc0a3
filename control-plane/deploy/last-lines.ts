import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'

const LINES = 10
const BYTES_MAX = 4096
const TIMEOUT_MS = 3_000

/** The last lines that a pod's container wrote before it ended, for the text of a failure; empty where there are none to be had. */
export async function lastLines(api: Pick<KubernetesApi, 'podLog'>, namespace: string, pod: string): Promise<string> {
  // The container that crashed is the one before; where it is the only one so far, there is no one before.
  for (const previous of [true, false]) {
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS)
      const chunks: Uint8Array[] = []
      for await (const chunk of await api.podLog(namespace, pod, { previous, tailLines: LINES, signal })) chunks.push(chunk)
      const text = Buffer.concat(chunks).toString().trim()
      if (text) return text.slice(-BYTES_MAX)
    } catch {
      // The text is a courtesy: whatever keeps it away must not hide the failure itself.
    }
  }
  return ''
}
