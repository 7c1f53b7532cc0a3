import type { Container, EnvVar, Pod } from 'kubernetes-types/core/v1'
import { expand } from './expand.ts'
import { type PodPlace, readPodField, readResourceField } from './pod-fields.ts'
import type { KeyedData, Sources } from './sources.ts'

/** Something that a container refers to is missing or malformed; the message is the kubelet's, for `CreateContainerConfigError`. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Builds the variables that a pod's spec gives to one of its containers: `envFrom` first, then `env` in order, each seeing those before it.
 *
 * @param ports from declared container port to the port that the process really gets
 * @throws {ConfigError} for a Secret, ConfigMap, key or field that is not there and not optional
 * @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#environment-variables
 */
export async function buildEnvironment(
  pod: Pod,
  container: Container,
  sources: Sources,
  place: PodPlace,
  ports: Readonly<Record<string, number>>,
): Promise<Record<string, string>> {
  const variables: Record<string, string> = {}
  // The process must not listen on the port that its pod declares, for on loopback other pods declare the same: PORT names its own.
  const set = (name: string, value: string) => void (variables[name] = name === 'PORT' ? String(ports[value] ?? value) : value)
  for (const { prefix = '', secretRef, configMapRef } of container.envFrom ?? []) {
    const data = secretRef
      ? await readWhole('secret', secretRef, sources.secret)
      : configMapRef
        ? await readWhole('configmap', configMapRef, sources.configMap)
        : {}
    for (const [key, value] of Object.entries(data)) if (isName(prefix + key)) set(prefix + key, value.toString())
  }
  for (const entry of container.env ?? []) {
    const value = await readValue(entry, { pod, container, sources, place, variables })
    if (value !== undefined) set(entry.name, value)
  }
  // Where nobody says anything of PORT, it is that of the container's first port.
  const first = ports[String(container.ports?.[0]?.containerPort)]
  return first === undefined || 'PORT' in variables ? variables : { ...variables, PORT: String(first) }
}

interface Scope {
  readonly pod: Pod
  readonly container: Container
  readonly sources: Sources
  readonly place: PodPlace
  readonly variables: Readonly<Record<string, string>>
}

async function readValue({ value, valueFrom }: EnvVar, scope: Scope): Promise<string | undefined> {
  if (!valueFrom) return expand(value ?? '', scope.variables)
  const { secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef } = valueFrom
  const namespace = scope.pod.metadata?.namespace
  if (secretKeyRef) return (await readKey('secret', 'Secret', secretKeyRef, scope.sources.secret, namespace))?.toString()
  if (configMapKeyRef) return (await readKey('configmap', 'ConfigMap', configMapKeyRef, scope.sources.configMap, namespace))?.toString()
  try {
    if (fieldRef) return readPodField(fieldRef, scope.pod, scope.place)
    if (resourceFieldRef) return readResourceField(resourceFieldRef, containerNamed(resourceFieldRef.containerName, scope), scope.place)
  } catch (error) {
    throw new ConfigError((error as Error).message)
  }
  return undefined
}

function containerNamed(name: string | undefined, { pod, container }: Scope): Container {
  return (name && [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find(found => found.name === name)) || container
}

async function readWhole(
  kind: string,
  { name = '', optional }: { name?: string; optional?: boolean },
  read: (name: string) => Promise<KeyedData | undefined>,
): Promise<KeyedData> {
  const data = await read(name)
  if (!data && !optional) throw new ConfigError(`${kind} "${name}" not found`)
  return data ?? {}
}

async function readKey(
  kind: string,
  title: string,
  { name = '', key, optional }: { name?: string; key: string; optional?: boolean },
  read: (name: string) => Promise<KeyedData | undefined>,
  namespace: string | undefined,
): Promise<Buffer | undefined> {
  const data = await readWhole(kind, { name, ...(optional ? { optional } : {}) }, read)
  if (data[key] === undefined && !optional) throw new ConfigError(`couldn't find key ${key} in ${title} ${namespace}/${name}`)
  return data[key]
}

/** A variable with another name could not be handed to a process. */
function isName(name: string): boolean {
  return /^[^=\0]+$/.test(name)
}
