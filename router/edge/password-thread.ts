import { parentPort } from 'node:worker_threads'
import { isPassword } from './password.ts'

/** Compares passwords with slow hashes, one after the other, beside the thread that serves. */
parentPort?.on('message', ({ password, stored }: { password: Uint8Array; stored: string }) => {
  parentPort?.postMessage(isPassword(Buffer.from(password), stored))
})
