/** What one build has to look at again. */
export class Dirty {
  readonly apps = new Set<string>()
  readonly patterns = new Set<string>()
  readonly domains = new Set<string>()
  readonly secrets = new Set<string>()
  readonly pages = new Set<string>()
  readonly faults = new Set<string>()
  /** Of {@link apps}, those whose faults cannot be others, as far as they themselves go. */
  readonly blameless = new Set<string>()
}
