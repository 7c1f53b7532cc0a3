import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import { type FieldError, invalidValue } from '../field-error.ts'
import type { Json } from '../schema/decode.ts'
import { column, since, wideColumn } from './columns.ts'
import type { Draft, Kind } from './kind.ts'
import { pathSegmentFaults } from './names.ts'

export const event: Kind = {
  ...RESOURCES.events,
  singular: 'event',
  shortNames: ['ev'],
  type: 'io.k8s.api.core.v1.Event',
  status: false,
  scale: false,
  createOnUpdate: true,
  deleteCollection: true,
  generation: false,
  nameFaults: pathSegmentFaults,
  validate,
  selectableFields,
  columns: [
    column('Last Seen', 'When it was last seen.'),
    column('Type', 'Normal or Warning.'),
    column('Reason', 'Why, in one word.'),
    column('Object', 'What it is about.'),
    wideColumn('Subobject', 'Which part of the object.'),
    wideColumn('Source', 'Who reported it.'),
    column('Message', 'What happened.'),
    wideColumn('First Seen', 'When it was first seen.'),
    wideColumn('Count', 'How often it was seen.'),
    { ...wideColumn('Name', 'Name must be unique within a namespace.'), format: 'name' },
  ],
  cells,
}

function validate(object: Draft): FieldError[] {
  const involved = String(((object['involvedObject'] ?? {}) as Json)['namespace'] ?? '')
  const { namespace = '' } = object.metadata
  const wanted = involved || 'default'
  return wanted === namespace ? [] : [invalidValue('involvedObject.namespace', involved, 'does not match event.namespace')]
}

function selectableFields(object: Draft): Record<string, string> {
  const involved = (object['involvedObject'] ?? {}) as Json
  const source = (object['source'] ?? {}) as Json
  const text = (value: unknown) => String(value ?? '')
  return {
    ...Object.fromEntries(
      ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(name => [
        `involvedObject.${name}`,
        text(involved[name]),
      ]),
    ),
    reason: text(object['reason']),
    reportingComponent: text(object['reportingComponent']),
    source: text(source['component'] || object['reportingComponent']),
    type: text(object['type']),
  }
}

function cells(object: Draft, now: number): (string | number)[] {
  const involved = (object['involvedObject'] ?? {}) as Json
  const source = (object['source'] ?? {}) as Json
  const series = object['series'] as Json | undefined
  const first = since(object['firstTimestamp'] ?? object['eventTime'], now)
  const last = series ? since(series['lastObservedTime'], now) : object['lastTimestamp'] ? since(object['lastTimestamp'], now) : first
  const kind = String(involved['kind'] ?? '').toLowerCase()
  const host = source['host'] || object['reportingInstance']
  return [
    last,
    String(object['type'] ?? ''),
    String(object['reason'] ?? ''),
    involved['name'] ? `${kind}/${involved['name']}` : kind,
    String(involved['fieldPath'] ?? ''),
    [source['component'] || object['reportingComponent'], host].filter(Boolean).join(', '),
    String(object['message'] ?? '').trim(),
    first,
    Number(series?.['count'] ?? (object['count'] || 1)),
    object.metadata.name,
  ]
}
