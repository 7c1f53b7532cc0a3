// The router's own worker, as its fleet starts it; here it ends with the process that measures.
process.on('disconnect', () => process.exit(0))
import('../../router/worker-process.ts').then(() => process.send?.({ port: 0 }))
