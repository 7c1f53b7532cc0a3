import type { Language } from '../language.ts'

/** Apps of which only the Procfile says anything: they run as they are, with the programs of this machine. */
export const procfileOnly: Language = {
  name: 'Procfile',
  detect: tree => tree.first('Procfile'),
  plan: async () => ({ title: 'Plain', toolchain: [], build: async () => ({ processes: {} }) }),
}
