import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2'
import type { HookKey } from '../../kernel/contract.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import type { Log } from '../../kernel/log.ts'
import { parseProtocol, parseSshCommand } from './git-command.ts'
import type { GitServer } from './git-server.ts'
import { remoteError } from './pkt-line.ts'
import { takeProxyHeader } from './proxy-header.ts'
import { refusal } from './refusal.ts'

/** Encrypt-then-MAC or AEAD only, no SHA-1, no CBC; each is known to OpenSSH since 6.5 of 2014. */
const ALGORITHMS = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
}

/** An agent may offer many keys before the right one; OpenSSH's own limit of 6 turns such people away. */
const AUTH_FAILURE_COUNT_MAX = 20

/** As OpenSSH's MaxSessions; git opens one. */
const SESSION_COUNT_MAX = 10

/**
 * A channel's packets must hold this much. RFC 4253 §6.1 asks for 32768, no client says less than 16384; a peer that says 0 would hold ssh2's
 * send loop for ever (mscdex/ssh2#1504), one that says 1 would make a packet of each byte.
 */
const PACKET_BYTES_MIN = 1024

/** Who has proved to hold a key; without a user when the control plane could not be asked who that is. */
type Principal = HookKey | 'unavailable'

interface ConnectionState {
  authenticated: boolean
  /** The address of who pushes, as far as it is known. */
  client: string
}

export interface SshServerParts {
  readonly hostKeys: readonly string[]
  readonly git: GitServer
  readonly log: Log
  readonly limits: { connectionCountMax: number; authTimeoutMs: number; keepaliveMs: number }
  /** Whether each connection begins with a PROXY header of the router. */
  readonly proxyProtocol: boolean
  /** @returns `undefined` for a key that nobody has. @throws when the control plane cannot tell */
  findKey(fingerprint: string): Promise<HookKey | undefined>
  onConnections(count: number): void
}

/**
 * The SSH door: public keys, git and `ping`, nothing else. Whatever one client does, the others do not notice.
 *
 * The listening socket is ours and not ssh2's, so that a connection counts, times out and is limited before it has sent its first byte, and so
 * that output can wait for a slow client: ssh2 itself looks only at the window, which the client chooses.
 */
export async function startSshServer(address: { host: string; port: number }, parts: SshServerParts): Promise<Running & { port: number }> {
  const { log, limits } = parts
  const sockets = new Map<Socket, ConnectionState>()
  const sshServer = new ssh2.Server(
    {
      hostKeys: [...parts.hostKeys],
      algorithms: ALGORITHMS as ssh2.Algorithms,
      ident: 'drycc-builder',
      keepaliveInterval: limits.keepaliveMs,
      keepaliveCountMax: 4,
    } as ssh2.ServerConfig,
    connection => {
      const socket = socketOf(connection)
      const state = sockets.get(socket)
      connection.on('error', error => log.debug('ssh connection failed', { client: state?.client, error: error.message }))
      if (state) serveConnection(connection, socket, state, parts)
      else socket.destroy()
    },
  )

  const listener = createServer({ noDelay: true }, socket => {
    socket.on('error', () => {})
    if (sockets.size >= limits.connectionCountMax && !dropStranger(sockets)) {
      log.warn('connection refused, too many are open', { count: sockets.size })
      socket.destroy()
      return
    }
    const state: ConnectionState = { authenticated: false, client: '' }
    sockets.set(socket, state)
    parts.onConnections(sockets.size)
    const timer = setTimeout(() => {
      if (!state.authenticated) socket.destroy()
    }, limits.authTimeoutMs)
    socket.once('close', () => {
      clearTimeout(timer)
      sockets.delete(socket)
      parts.onConnections(sockets.size)
    })
    if (!parts.proxyProtocol) {
      state.client = socket.remoteAddress ?? ''
      sshServer.injectSocket(socket)
      return
    }
    takeProxyHeader(socket)
      .then(client => {
        state.client = client
        if (!socket.destroyed) sshServer.injectSocket(socket)
      })
      .catch(error => {
        log.warn('connection refused', { error: (error as Error).message })
        socket.destroy()
      })
  })
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(address.port, address.host, () => {
      listener.off('error', reject)
      resolve()
    })
  })
  listener.on('error', error => log.error('ssh listener failed', { error }))

  return {
    port: (listener.address() as { port: number }).port,
    async stop() {
      const closed = new Promise<void>(resolve => listener.close(() => resolve()))
      for (const socket of sockets.keys()) socket.destroy()
      await closed
    },
  }
}

/** When all places are taken, the connection that has waited longest to say who it is makes room. */
function dropStranger(sockets: Map<Socket, ConnectionState>): boolean {
  for (const [socket, state] of sockets) {
    if (state.authenticated) continue
    socket.destroy()
    sockets.delete(socket)
    return true
  }
  return false
}

function serveConnection(connection: Connection, socket: Socket, state: ConnectionState, parts: SshServerParts): void {
  const gone = new AbortController()
  let principal: Principal | undefined
  let failures = 0
  let sessions = 0

  connection.on('close', () => gone.abort())
  connection.on('end', () => gone.abort())
  connection.on('ready', () => {
    state.authenticated = true
  })
  connection.on('authentication', context => {
    authenticate(context, parts)
      .catch(error => {
        parts.log.warn('ssh authentication failed', { client: state.client, error })
        return undefined
      })
      .then(found => {
        if (gone.signal.aborted) return
        if (found) {
          // A client may ask about any key; only one that it has signed with says who it is.
          if (context.method === 'publickey' && context.signature) principal = found
          context.accept()
        } else if (context.method !== 'none' && ++failures >= AUTH_FAILURE_COUNT_MAX) {
          connection.end()
        } else {
          context.reject(['publickey'])
        }
      })
      .catch(() => socket.destroy())
  })
  connection.on('session', (accept, reject) => {
    if (sessions >= SESSION_COUNT_MAX || !principal) return reject()
    sessions++
    const session = accept()
    const closed = new AbortController()
    session.once('close', () => {
      sessions--
      closed.abort()
    })
    serveSession(session, principal, socket, AbortSignal.any([gone.signal, closed.signal]), parts)
  })
}

/** ssh asks twice for each key: whether it would do, and then with a signature, which must be over this very connection. */
async function authenticate(context: AuthContext, parts: SshServerParts): Promise<Principal | undefined> {
  if (context.method !== 'publickey') return undefined
  const { key, signature, blob, hashAlgo } = context
  // An ssh-rsa signature without a hash named is one over SHA-1.
  if (key.algo === 'ssh-dss' || (key.algo === 'ssh-rsa' && signature && !hashAlgo)) return undefined
  const parsed = ssh2.utils.parseKey(key.data)
  if (parsed instanceof Error) return undefined
  if (signature && (!blob || parsed.verify(blob, signature, hashAlgo) !== true)) return undefined
  try {
    return await parts.findKey(fingerprintOf(key.data))
  } catch (error) {
    // "Permission denied" would send people looking for a fault in their keys, so they are let in as far as to be told.
    parts.log.warn('control plane cannot be asked for a key', { error: (error as Error).message })
    return 'unavailable'
  }
}

/** The classic form by which the control plane knows a key: MD5 of the key's own bytes, in pairs. It names a key, it protects nothing. */
export function fingerprintOf(key: Uint8Array): string {
  return createHash('md5').update(key).digest('hex').match(/../g)!.join(':')
}

function serveSession(session: Session, principal: Principal, socket: Socket, gone: AbortSignal, parts: SshServerParts): void {
  let protocol: string | undefined
  let used = false
  session.on('env', (accept, reject, { key, val }) => {
    const version = key === 'GIT_PROTOCOL' ? parseProtocol(val) : undefined
    protocol = version ?? protocol
    if (version) accept?.()
    else reject?.()
  })
  const start = (accept: () => ServerChannel, reject: () => void, command: string | undefined) => {
    if (used) return reject()
    used = true
    const channel = accept()
    channel.on('error', () => {})
    channel.stderr.on('error', () => {})
    const { packetSize } = (channel as unknown as { outgoing: { packetSize: number } }).outgoing
    if (!(packetSize >= PACKET_BYTES_MIN)) {
      parts.log.warn('ssh client closed: its packets are too small', { bytes: packetSize })
      socket.destroy()
      return
    }
    serveCommand(channel, command, { principal, protocol, gone, socket }, parts)
      .catch(error => {
        parts.log.error('ssh command failed', { error })
        return 1
      })
      .then(code => finish(channel, code, gone))
      .catch(() => socket.destroy())
  }
  session.on('exec', (accept, reject, { command }) => start(accept, reject, command))
  session.on('shell', (accept, reject) => start(accept, reject, undefined))
}

async function serveCommand(
  channel: ServerChannel,
  line: string | undefined,
  client: { principal: Principal; protocol: string | undefined; gone: AbortSignal; socket: Socket },
  parts: SshServerParts,
): Promise<number> {
  const { principal, protocol, gone, socket } = client
  const command = line === undefined ? undefined : parseSshCommand(line)
  if (command?.kind === 'ping') {
    await write(channel, socket, Buffer.from('pong'), gone)
    return 0
  }
  if (command?.kind !== 'git') {
    channel.stderr.write(`error: ${command?.reason ?? 'There is no shell here, only git push, git fetch and git clone'}\r\n`)
    return 1
  }
  const refused = refusal(principal, command.app)
  if (refused) {
    await write(channel, socket, remoteError(refused), gone)
    return 128
  }
  return parts.git.serve({
    service: command.service,
    app: command.app,
    user: (principal as HookKey).username,
    protocol,
    stateless: false,
    input: channel,
    write: chunk => write(channel, socket, chunk, gone),
    writeError: text => {
      if (!gone.aborted && channel.stderr.writableLength < 65_536) channel.stderr.write(text)
    },
    gone,
  })
}

/** Waits for the channel's window and for the socket both: the client chooses the first, the kernel tells the second. */
async function write(channel: ServerChannel, socket: Socket, chunk: Uint8Array, gone: AbortSignal): Promise<void> {
  if (gone.aborted || !channel.writable) return
  if (!channel.write(chunk)) await drain(channel, gone)
  if (socket.writableNeedDrain) await drain(socket, gone)
}

function drain(stream: NodeJS.WritableStream, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const done = () => {
      stream.off('drain', done)
      stream.off('close', done)
      gone.removeEventListener('abort', done)
      resolve()
    }
    stream.on('drain', done)
    stream.on('close', done)
    gone.addEventListener('abort', done)
  })
}

function finish(channel: ServerChannel, code: number, gone: AbortSignal): void {
  if (gone.aborted) return
  channel.exit(code)
  channel.end()
  // What the client still sends is of no use, but unread it would keep the channel from closing.
  channel.resume()
}

/** ssh2 has no public way from a connection to its socket. */
function socketOf(connection: Connection): Socket {
  return (connection as unknown as { _sock: Socket })._sock
}
