import {
  type BrotliOptions,
  brotliCompressSync,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gzipSync,
  type ZlibOptions,
  type ZstdOptions,
  constants as zlib,
  zstdCompressSync,
} from 'node:zlib'
import { CHUNKED } from '../http1/body.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Coding } from '../table/extensions/compression.ts'
import type { Downstream } from './exchange.ts'
import { Gathered } from './gathered.ts'

// An answer up to this that comes in one turn of the loop is compressed at once, in 0.4 ms at most; a longer one by the threads of libuv.
const WHOLE_BYTES_MAX = 32 * 1024
// What waits for the codec; beyond it the app is held back. One more read may come on top.
const QUEUE_BYTES_MAX = 64 * 1024
const BROTLI_LEVEL = 4
const ZSTD_LEVEL = 3
// A window of 256 KB (128 KB): with the usual 4 MB a stream would cost several times the 0.3 MB (gzip), 0.8 MB (br) or 1 MB (zstd) it does.
const BROTLI_WINDOW_BITS = 18
const ZSTD_WINDOW_BITS = 17

/** Whoever brings an answer to an encoder. */
export interface Encoded {
  /** The head of the answer was given to the downstream. */
  encoderBegun(): void
  /** More may come. */
  encoderReady(): void
  /** After {@link Encoder.end}: the last byte was given to the downstream, which the caller finishes. */
  encoderDone(): void
  /** The codec failed; what the client has is not whole. */
  encoderFailed(error: unknown): void
}

/** How many codecs run in one worker. */
export interface EncoderCount {
  running: number
}

type Codec = ReturnType<typeof createGzip> | ReturnType<typeof createBrotliCompress> | ReturnType<typeof createZstdCompress>

/**
 * Compresses one answer on its way, at the pace of its client, without keeping it: what came while the codec was at work goes to it as one
 * piece, and each piece leaves whole (a sync flush), so that an app that pauses finds its client with all it has said.
 *
 * The head goes out with the first piece or at the end of the turn in which it came, whichever is later; a short answer that comes in one
 * turn leaves with a length. {@link destroy} ends everything at once: then no end of the coding is written, and a cut answer never looks whole.
 */
export class Encoder {
  readonly #coding: Coding
  readonly #level: number
  readonly #answer: ResponseHead
  readonly #fields: string
  readonly #downstream: Downstream
  readonly #owner: Encoded
  readonly #count: EncoderCount
  #codec: Codec | undefined
  readonly #queue = new Gathered()
  #begun = false
  #busy = false
  #ending = false
  #held = false
  #paused = false
  #over = false

  /** @param level of gzip, 1 to 9; the other codings have one of their own */
  constructor(
    coding: Coding,
    level: number,
    answer: ResponseHead,
    fields: string,
    downstream: Downstream,
    owner: Encoded,
    count: EncoderCount,
  ) {
    this.#coding = coding
    this.#level = level
    this.#answer = answer
    this.#fields = fields
    this.#downstream = downstream
    this.#owner = owner
    this.#count = count
    count.running++
  }

  /** Whether a byte of the answer has gone to the client. */
  get begun(): boolean {
    return this.#begun
  }

  /** Takes a copy of these bytes. */
  payload(bytes: Buffer, start: number, end: number): void {
    if (!this.#over) this.#queue.add(bytes, start, end)
  }

  /** A turn of the loop is over. Returns false while the app should wait for {@link Encoded.encoderReady}. */
  flush(): boolean {
    if (this.#over) return true
    this.#begin()
    this.#feed()
    this.#held = this.#paused || this.#queue.bytes >= QUEUE_BYTES_MAX
    return !this.#held
  }

  /** The client has taken what was waiting. */
  clientReady(): void {
    if (!this.#paused || this.#over) return
    this.#paused = false
    this.#codec?.resume()
    this.#release()
  }

  /** The answer is whole. */
  end(): void {
    this.#ending = true
    this.#guard(() => {
      if (this.#codec === undefined && this.#queue.bytes <= WHOLE_BYTES_MAX) this.#endWhole()
      else this.#feed()
    })
  }

  /** Drops everything. Safe to call at any time. */
  destroy(): void {
    if (this.#over) return
    this.#over = true
    this.#count.running--
    this.#queue.take()
    this.#codec?.destroy()
  }

  /** Everything came before anything had gone out to the codec. */
  #endWhole(): void {
    const plain = this.#take()
    const encoded = encodeWhole(this.#coding, this.#level, plain)
    if (!this.#begun) {
      this.#begun = true
      const { status, reason } = this.#answer
      this.#downstream.respond(status, reason, this.#fields, encoded.length, encoded.length)
      this.#owner.encoderBegun()
    }
    this.#downstream.payload(encoded, 0, encoded.length)
    this.#done()
  }

  #begin(): void {
    if (this.#begun) return
    this.#begun = true
    const { status, reason } = this.#answer
    this.#downstream.respond(status, reason, this.#fields, CHUNKED, -1)
    this.#owner.encoderBegun()
    if (this.#queue.bytes === 0) this.#downstream.flush()
  }

  /** Gives what waits to the codec when that has nothing to do. */
  #feed(): void {
    if (this.#over || this.#busy || (this.#queue.bytes === 0 && !this.#ending)) return
    this.#begin()
    const codec = this.#codec ?? this.#open()
    const piece = this.#take()
    if (this.#ending) {
      this.#busy = true
      codec.end(piece)
      return
    }
    this.#busy = true
    codec.write(piece, error => {
      this.#busy = false
      if (error || this.#over) return
      this.#guard(() => {
        this.#feed()
        this.#release()
      })
    })
  }

  #release(): void {
    if (!this.#held || this.#paused || this.#over || this.#ending || this.#queue.bytes >= QUEUE_BYTES_MAX) return
    this.#held = false
    this.#owner.encoderReady()
  }

  #take(): Buffer {
    const blocks = this.#queue.take()
    return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks)
  }

  #open(): Codec {
    const codec = createCodec(this.#coding, this.#level)
    this.#codec = codec
    codec.on('data', (bytes: Buffer) => this.#guard(() => this.#send(codec, bytes)))
    codec.on('end', () => this.#guard(() => this.#done()))
    codec.on('error', error => this.#fail(error))
    return codec
  }

  #send(codec: Codec, bytes: Buffer): void {
    if (this.#over) return
    this.#downstream.payload(bytes, 0, bytes.length)
    if (this.#downstream.flush()) return
    this.#paused = true
    codec.pause()
  }

  #done(): void {
    if (this.#over) return
    this.#over = true
    this.#count.running--
    this.#owner.encoderDone()
  }

  /** What a codec calls runs on nobody's turn: a fault there must cost this exchange, not the worker. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return
    this.destroy()
    this.#owner.encoderFailed(error)
  }
}

function encodeWhole(coding: Coding, level: number, plain: Buffer): Buffer {
  // Room for all at once: the parts of a body this short need not be joined.
  const chunkSize = Math.max(256, plain.length)
  switch (coding) {
    case 'zstd':
      return zstdCompressSync(plain, { ...zstdOptions, chunkSize, pledgedSrcSize: plain.length })
    case 'br':
      return brotliCompressSync(plain, { ...brotliOptions, chunkSize })
    default:
      return gzipSync(plain, { level, chunkSize })
  }
}

function createCodec(coding: Coding, level: number): Codec {
  switch (coding) {
    case 'zstd':
      return createZstdCompress({ ...zstdOptions, flush: zlib.ZSTD_e_flush })
    case 'br':
      return createBrotliCompress({ ...brotliOptions, flush: zlib.BROTLI_OPERATION_FLUSH })
    default:
      return createGzip({ level, flush: zlib.Z_SYNC_FLUSH } satisfies ZlibOptions)
  }
}

const brotliOptions: BrotliOptions = {
  params: {
    [zlib.BROTLI_PARAM_QUALITY]: BROTLI_LEVEL,
    [zlib.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
    [zlib.BROTLI_PARAM_MODE]: zlib.BROTLI_MODE_TEXT,
  },
}

const zstdOptions: ZstdOptions = {
  params: { [zlib.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [zlib.ZSTD_c_windowLog]: ZSTD_WINDOW_BITS },
}
