import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { AbortedError } from '@gateskip/errors';
import { TextInputError, UsageError } from '../errors.js';
import type { CommandIo } from '../io.js';

/** No context holds more; what is longer is no prompt. */
const maxPromptBytes = 16 * 1048576;

export interface PromptSource {
  readonly argument?: string | undefined;
  readonly file?: string | undefined;
}

/**
 * The prompt: the argument, else `--file`, else what is piped in (`-` asks for that).
 *
 * @returns undefined where there is none and stdin is a terminal
 * @throws UsageError, TextInputError, AbortedError
 */
export async function readPrompt({ argument, file }: PromptSource, io: CommandIo): Promise<string | undefined> {
  if (argument !== undefined && file !== undefined)
    throw new UsageError('The prompt is given twice: as an argument and by --file.', 'Give one of them.', { what: 'prompt' });
  if (argument !== undefined && argument !== '-') return argument;
  if (file !== undefined && file !== '-') return readTextFile(file, maxPromptBytes);
  if (argument === undefined && file === undefined && io.stdin.isTTY) return undefined;
  return readStream(io.stdin, io.signal);
}

/** @throws TextInputError */
export async function readTextFile(path: string, maxBytes: number): Promise<string> {
  let data: Buffer;
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes)
        throw new TextInputError(`${path} has ${size} bytes, at most ${maxBytes} are read.`, 'Give a shorter text.', { what: path });
      data = await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof TextInputError) throw error;
    throw new TextInputError(`Cannot read ${path}: ${(error as Error).message}.`, 'Check the name.', { what: path });
  }
  return decode(data, path);
}

async function readStream(stream: Readable, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stop = (): void => void stream.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    for await (const chunk of stream as AsyncIterable<Buffer | string>) {
      const part = Buffer.from(chunk as string);
      size += part.length;
      if (size > maxPromptBytes)
        throw new TextInputError(`More than ${maxPromptBytes} bytes were piped in.`, 'Give a shorter prompt.', { what: 'stdin' });
      chunks.push(part);
    }
  } catch (error) {
    if (signal.aborted) throw new AbortedError('Reading the prompt');
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  if (signal.aborted) throw new AbortedError('Reading the prompt');
  return decode(Buffer.concat(chunks), 'stdin');
}

function decode(data: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data);
  } catch {
    throw new TextInputError(`${what} is not UTF-8 text.`, 'Convert it first.', { what });
  }
}
