const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const LABEL_1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/

const LABEL_MESSAGE =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
const LABEL_1035_MESSAGE =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
const SUBDOMAIN_MESSAGE =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const WILDCARD_MESSAGE =
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
const QUALIFIED_MESSAGE =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
const LABEL_VALUE_MESSAGE =
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
const CONFIG_KEY_MESSAGE =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"

/** What a DNS label (RFC 1123) may not be, in the real server's words; a generateName may end in a hyphen. */
export function labelFaults(name: string, prefix = false): string[] {
  const text = masked(name, prefix)
  return lengthAndForm(text, 63, LABEL, SUBDOMAIN.test(text) && text.includes('.') ? 'must not contain dots' : LABEL_MESSAGE)
}

/** The same for Services: a label that starts with a letter (RFC 1035). */
export function label1035Faults(name: string, prefix = false): string[] {
  return lengthAndForm(masked(name, prefix), 63, LABEL_1035, LABEL_1035_MESSAGE)
}

/** The same for most kinds: labels joined by dots. */
export function subdomainFaults(name: string, prefix = false): string[] {
  return lengthAndForm(masked(name, prefix), 253, SUBDOMAIN, SUBDOMAIN_MESSAGE)
}

/** `*.` and a subdomain, as hosts of an Ingress may be. */
export function wildcardFaults(name: string): string[] {
  return lengthAndForm(name, 253, /^\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/, WILDCARD_MESSAGE)
}

/** For Events and others whose name need only fit into a path. */
export function pathSegmentFaults(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter(part => name.includes(part)).map(part => `may not contain '${part}'`)
}

/** Keys of labels, finalizers and the like: `prefix/name`. */
export function qualifiedNameFaults(key: string): string[] {
  const parts = key.split('/')
  if (parts.length > 2)
    return [
      `a qualified name ${QUALIFIED_MESSAGE.slice('name part '.length)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  const faults: string[] = []
  const name = parts.at(-1) ?? ''
  if (parts.length === 2) {
    if (!parts[0]) faults.push('prefix part must be non-empty')
    else faults.push(...subdomainFaults(parts[0]).map(fault => `prefix part ${fault}`))
  }
  if (!name) faults.push('name part must be non-empty')
  else if (name.length > 63) faults.push('name part must be no more than 63 bytes')
  if (!/^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(name)) faults.push(QUALIFIED_MESSAGE)
  return faults
}

export function labelValueFaults(value: string): string[] {
  return lengthAndForm(value, 63, /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/, LABEL_VALUE_MESSAGE, 'bytes')
}

/** Keys of ConfigMaps and Secrets. */
export function configKeyFaults(key: string): string[] {
  const faults = lengthAndForm(key, 253, /^[-._a-zA-Z0-9]+$/, CONFIG_KEY_MESSAGE)
  if (key === '.') faults.push("must not be '.'")
  else if (key === '..') faults.push("must not be '..'")
  else if (key.startsWith('..')) faults.push("must not start with '..'")
  return faults
}

export function portFaults(port: number): string[] {
  return port >= 1 && port <= 65_535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** Names of container ports. */
export function portNameFaults(name: string): string[] {
  const faults: string[] = []
  if (name.length > 15) faults.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]+$/.test(name)) faults.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) faults.push('must contain at least one letter (a-z)')
  if (name.includes('--')) faults.push('must not contain consecutive hyphens')
  if (/^-|-$/.test(name)) faults.push('must not begin or end with a hyphen')
  return faults
}

function masked(name: string, prefix: boolean): string {
  return prefix && name.endsWith('-') ? `${name.slice(0, -1).replace(/-$/, 'a')}` : name
}

function lengthAndForm(text: string, lengthMax: number, form: RegExp, message: string, unit = 'characters'): string[] {
  const faults: string[] = []
  if (Buffer.byteLength(text) > lengthMax) faults.push(`must be no more than ${lengthMax} ${unit}`)
  if (!form.test(text)) faults.push(message)
  return faults
}
