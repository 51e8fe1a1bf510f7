import { isUtf8 } from 'node:buffer';
import { open } from 'node:fs/promises';
import { AbortedError } from '@gateskip/errors';
import { TrainingTextInvalidError } from './errors.js';

export interface Utf8Part {
  readonly text: string;
  /** Line of the first character, from 1. */
  readonly line: number;
}

export interface Utf8ReadOptions {
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
  /** Hears how many bytes were read by now. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

const PART_BYTES = 256 * 1024;
const NEW_LINE = 10;

/**
 * A text file in parts of whole characters, without its byte order mark; at most `maxBytes`, also where it grows while it
 * is read or is a device.
 *
 * @throws TrainingTextInvalidError, AbortedError
 */
export async function* readUtf8(path: string, { maxBytes, signal, onBytes }: Utf8ReadOptions): AsyncGenerator<Utf8Part> {
  const cannot = (cause: Error): never => {
    throw new TrainingTextInvalidError(path, undefined, `it cannot be read: ${cause.message}`, 'Check the name.');
  };
  const file = await open(path, 'r').catch(cannot);
  try {
    let rest: Buffer = Buffer.alloc(0);
    let line = 1;
    for (let bytes = 0; ; ) {
      if (signal?.aborted) throw new AbortedError('Reading the training text');
      const buffer = Buffer.allocUnsafe(PART_BYTES);
      const { bytesRead } = await file.read(buffer, 0, PART_BYTES, null).catch(cannot);
      const all = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      const whole = bytesRead === 0 ? all : all.subarray(0, endOfCharacters(all));
      if (!isUtf8(whole)) {
        const bad = line + badLine(whole);
        throw new TrainingTextInvalidError(path, bad, 'it is not UTF-8 text', 'Convert it first.');
      }
      rest = all.subarray(whole.length);
      if (whole.length > 0) {
        const text = whole.toString('utf8');
        yield { text: bytes === 0 && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text, line };
      }
      if (bytesRead === 0) return;
      line += countLines(whole);
      bytes += bytesRead;
      if (bytes > maxBytes) {
        const problem = `it has more than ${maxBytes} bytes, which is all that is read of one file`;
        throw new TrainingTextInvalidError(path, undefined, problem, 'Give less text, or several files.');
      }
      onBytes?.(bytes);
    }
  } finally {
    await file.close();
  }
}

/** Where the last character that may go on behind the end begins. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Lines before the first that is not UTF-8. */
function badLine(bytes: Buffer): number {
  for (let start = 0, line = 0; ; line++) {
    const end = bytes.indexOf(NEW_LINE, start);
    if (end < 0 || !isUtf8(bytes.subarray(start, end))) return line;
    start = end + 1;
  }
}

function countLines(bytes: Buffer): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEW_LINE); at >= 0; at = bytes.indexOf(NEW_LINE, at + 1)) lines++;
  return lines;
}

export interface TextLine {
  readonly text: string;
  /** From 1. */
  readonly line: number;
}

/** Lines without their ends. @throws TrainingTextInvalidError, AbortedError */
export async function* readLines(path: string, options: Utf8ReadOptions & { readonly maxCharacters: number }): AsyncGenerator<TextLine> {
  let rest = '';
  let line = 1;
  const tooLong = (): TrainingTextInvalidError =>
    new TrainingTextInvalidError(
      path,
      line,
      `it has more than ${options.maxCharacters} characters`,
      'Is it a file of one JSON object a line? Give shorter records.',
    );
  for await (const part of readUtf8(path, options)) {
    const lines = (rest + part.text).split('\n');
    rest = lines.pop() as string;
    for (const text of lines) {
      if (text.length > options.maxCharacters) throw tooLong();
      yield { text: text.endsWith('\r') ? text.slice(0, -1) : text, line: line++ };
    }
    if (rest.length > options.maxCharacters) throw tooLong();
  }
  if (rest !== '') yield { text: rest, line };
}
