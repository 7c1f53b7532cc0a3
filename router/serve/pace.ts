/** No finer than this: what is done at once in one step is still little. */
const STEP_MS = 20

/**
 * Does something to each of many, evenly spread over a time.
 *
 * @returns stops before the rest
 */
export function pace<T>(items: readonly T[], overMs: number, act: (item: T) => void): () => void {
  const beganAt = performance.now()
  let done = 0
  const timer = setInterval(() => {
    const due = Math.ceil((items.length * (performance.now() - beganAt)) / Math.max(1, overMs))
    while (done < Math.min(due, items.length)) act(items[done++] as T)
    if (done >= items.length) clearInterval(timer)
  }, STEP_MS)
  return () => clearInterval(timer)
}
