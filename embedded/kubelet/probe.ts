import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect } from 'node:net'
import type { Container, ExecAction, HTTPGetAction, Probe } from 'kubernetes-types/core/v1'
import type { CommandResult } from './run-command.ts'

export interface CheckResult {
  readonly isSuccess: boolean
  /** What failed, in the kubelet's words. */
  readonly message: string
}

/** What a check is made against. */
export interface CheckTarget {
  readonly container: Container
  readonly ip: string
  /** From declared container port to the port that the process really has. */
  readonly ports: Readonly<Record<string, number>>
  /** Runs a command within the container; rejects when it cannot be started. */
  readonly exec: (command: readonly string[], signal: AbortSignal) => Promise<CommandResult>
}

/** What of an answer's body goes into a message. */
const BODY_BYTES_MAX = 1024

/**
 * Makes one check of a probe.
 *
 * @returns a failed result for whatever goes wrong, a time-out included; never throws
 * @see https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
 */
export async function check(probe: Probe, target: CheckTarget): Promise<CheckResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    if (probe.exec) return await checkExec(probe.exec, target, signal, timeoutMs)
    if (probe.httpGet) return await checkHttp(probe.httpGet, target, signal)
    if (probe.tcpSocket) return await checkTcp(probe.tcpSocket, target, signal)
    return { isSuccess: false, message: 'the probe is of a kind that there is not in embedded mode' }
  } catch (error) {
    return { isSuccess: false, message: (error as Error).message }
  }
}

/** Sends the request of an `httpGet`, as probes and lifecycle hooks do. @returns status and the beginning of the body */
export async function getHttp(action: HTTPGetAction, target: CheckTarget, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const port = ownPort(action.port, target)
  const isTls = action.scheme === 'HTTPS'
  const headers = new Headers([
    ['user-agent', 'kube-probe/1.37'],
    ['accept', '*/*'],
  ])
  for (const { name, value } of action.httpHeaders ?? []) headers.set(name, value)
  return await new Promise((resolve, reject) => {
    const request = (isTls ? requestHttps : requestHttp)(
      {
        host: action.host ?? target.ip,
        port,
        path: action.path?.startsWith('/') ? action.path : `/${action.path ?? ''}`,
        headers: Object.fromEntries(headers),
        // A connection a check, as Kubernetes does: a pooled one would say nothing of whether new ones are taken.
        agent: false,
        signal,
        ...(isTls ? { rejectUnauthorized: false } : {}),
      },
      response => {
        let body = ''
        response.setEncoding('utf8')
        const done = () => {
          resolve({ status: response.statusCode ?? 0, body: body.slice(0, BODY_BYTES_MAX) })
          response.destroy()
        }
        response.on('data', (text: string) => {
          body += text
          if (body.length > BODY_BYTES_MAX) done()
        })
        response.once('end', done)
        response.once('error', reject)
      },
    )
    request.once('error', error =>
      reject(describe(error, signal, `Get "${action.scheme?.toLowerCase() ?? 'http'}://${target.ip}:${port}"`)),
    )
    request.end()
  })
}

async function checkHttp(action: HTTPGetAction, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const { status } = await getHttp(action, target, signal)
  const isSuccess = status >= 200 && status < 400
  return { isSuccess, message: isSuccess ? '' : `HTTP probe failed with statuscode: ${status}` }
}

async function checkTcp(action: { port: string | number; host?: string }, target: CheckTarget, signal: AbortSignal): Promise<CheckResult> {
  const port = ownPort(action.port, target)
  const host = action.host ?? target.ip
  return await new Promise((resolve, reject) => {
    const socket = connect({ host, port, signal })
    socket.once('connect', () => {
      socket.destroy()
      resolve({ isSuccess: true, message: '' })
    })
    socket.once('error', error => reject(describe(error, signal, `dial tcp ${host}:${port}`)))
  })
}

async function checkExec({ command = [] }: ExecAction, target: CheckTarget, signal: AbortSignal, timeoutMs: number): Promise<CheckResult> {
  const { exitCode, output } = await target.exec(command, signal)
  if (signal.aborted) return { isSuccess: false, message: `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s` }
  return { isSuccess: exitCode === 0, message: exitCode === 0 ? '' : output.trim() || `command ended with exit code ${exitCode}` }
}

/** The port that a process really has for the number or name in a probe. @throws {RangeError} for a name that the container does not declare */
function ownPort(port: string | number, { container, ports }: CheckTarget): number {
  const declared =
    typeof port === 'number' || /^\d+$/.test(port) ? Number(port) : container.ports?.find(({ name }) => name === port)?.containerPort
  if (declared === undefined) throw new RangeError(`unknown port: ${port}`)
  return ports[declared] ?? declared
}

function describe(error: NodeJS.ErrnoException, signal: AbortSignal, what: string): Error {
  if (signal.aborted) return new Error(`${what}: context deadline exceeded`)
  return new Error(`${what}: ${error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message}`)
}
