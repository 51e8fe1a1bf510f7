import { createHash } from 'node:crypto';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { DataMissingError, JournalMismatchError } from '../errors.js';

/** One finished piece of work. */
export interface JournalEntry {
  readonly run: string;
  /** `task:hellaswag`, `perplexity`, `agreement` or `speed`. */
  readonly part: string;
  readonly id: string;
  readonly value: unknown;
}

/** Where finished work is noted, so that an interrupted evaluation can go on. */
export interface Journal {
  /** What was finished before. */
  readonly entries: readonly JournalEntry[];
  append(entry: JournalEntry): void;
  close(): void;
  /** Closes it and takes it away: the results stand elsewhere. */
  remove(): void;
}

const MAX_JOURNAL_BYTES = 1024 * 1024 * 1024;

/**
 * Opens a journal: JSON Lines, the first of which says what is evaluated. One line is written per finished item, at once,
 * so that a killed process loses what was under way and nothing else. Half a line at the end is cut off.
 *
 * @param settings everything that results depend on, as plain data
 * @throws JournalMismatchError where the file is no journal, or of other settings
 */
export function openJournal(path: string, settings: unknown): Journal {
  const identity = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
  const { entries, length } = existsSync(path) ? readJournal(path, identity) : { entries: [], length: 0 };
  let file: number | undefined;
  try {
    file = openSync(path, length > 0 ? 'r+' : 'w');
    ftruncateSync(file, length);
  } catch (error) {
    throw new DataMissingError(`Cannot write the journal ${path}: ${(error as Error).message}.`, 'Check the folder of --out.', {
      what: path,
    });
  }
  let end = length;
  const write = (value: unknown): void => {
    if (file === undefined) return;
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, end + done);
    end += bytes.length;
  };
  if (length === 0) write({ journal: 'gateskip.eval/1', identity, settings });
  const close = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
  };
  return {
    entries,
    append: write,
    close,
    remove() {
      close();
      rmSync(path, { force: true });
    },
  };
}

function readJournal(path: string, identity: string): { entries: JournalEntry[]; length: number } {
  const { size } = statSync(path);
  if (size > MAX_JOURNAL_BYTES) throw new JournalMismatchError(path, `it has ${size} bytes, at most ${MAX_JOURNAL_BYTES} are read`);
  const bytes = readFileSync(path);
  const length = bytes.lastIndexOf(0x0a) + 1;
  if (length === 0) {
    // Killed within the first line, or something else altogether.
    if (size > 0 && !bytes.toString('utf8').startsWith('{"journal":"gateskip.eval/1"'))
      throw new JournalMismatchError(path, 'it is no journal');
    return { entries: [], length: 0 };
  }
  const [first, ...rest] = bytes.toString('utf8', 0, length - 1).split('\n');
  const head = parse(first as string) as { journal?: unknown; identity?: unknown } | undefined;
  if (head?.journal !== 'gateskip.eval/1') throw new JournalMismatchError(path, 'it is no journal');
  if (head.identity !== identity) throw new JournalMismatchError(path, 'it is of another model, other data or other options');
  const entries = rest.map((line, index) => {
    const entry = parse(line) as Partial<JournalEntry> | undefined;
    if (typeof entry?.run !== 'string' || typeof entry.part !== 'string' || typeof entry.id !== 'string' || entry.value === undefined)
      throw new JournalMismatchError(path, `line ${index + 2} is damaged`);
    return entry as JournalEntry;
  });
  return { entries, length };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line) ?? undefined;
  } catch {
    return undefined;
  }
}
