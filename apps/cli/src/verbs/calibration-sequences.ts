import { basename, extname } from 'node:path';
import { AbortedError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import { TextInputError } from '../errors.js';
import { readTextFile } from '../options/read-text.js';

const maxFileBytes = 256 * 1048576;
/** Characters of one piece: a few windows of text. */
const pieceLength = 8192;
/** No tokenizer worth its name needs more characters per token on average. */
const charactersPerToken = 12;

/** Named as `readTrainingText` names them. */
const recordExtensions: readonly string[] = ['.jsonl', '.ndjson', '.json'];

/**
 * Text files as token sequences: cut at line ends into pieces, of which as many as could be needed are taken, evenly over
 * all the text, and tokenised. Files of records (.jsonl) are conversations through the model's chat template, as in training.
 *
 * @throws TextInputError, AbortedError, and what `readTrainingText` throws
 */
export async function calibrationSequences(
  model: Model,
  paths: readonly string[],
  wantedTokens: number,
  signal: AbortSignal,
): Promise<{ sequences: Int32Array[]; description: string }> {
  const { tokenizer } = model;
  if (!tokenizer) throw new TextInputError(`Model "${model.config.name}" has no tokenizer.`, 'Take a file that holds one.');
  const records = paths.filter((path) => recordExtensions.includes(extname(path).toLowerCase()));
  const texts = paths.filter((path) => !records.includes(path));
  const pieces: string[] = [];
  const parts: string[] = [];
  for (const path of texts) {
    const text = await readTextFile(path, maxFileBytes);
    pieces.push(...cutText(text));
    parts.push(`${basename(path)} (${text.length} characters)`);
  }
  const most = Math.max(2, Math.ceil((wantedTokens * charactersPerToken) / pieceLength));
  const chosen =
    pieces.length <= most ? pieces : Array.from({ length: most }, (_, i) => pieces[Math.floor((i * pieces.length) / most)] as string);
  const sequences: Int32Array[] = [];
  for (const piece of chosen) {
    if (signal.aborted) throw new AbortedError('Reading the calibration text');
    sequences.push(tokenizer.encode(piece));
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (records.length > 0) {
    const { readTrainingText } = await import('@gateskip/train');
    const read = await readTrainingText({ paths: records, model, license: 'not asked here', signal });
    for (const { tokens } of [...read.train, ...read.heldOut]) sequences.push(tokens);
    parts.push(...read.report.files.map(({ path, records, tokens }) => `${basename(path)} (${records} records, ${tokens} tokens)`));
  }
  return { sequences, description: `text of ${parts.join(', ')}` };
}

/** Pieces of about `pieceLength` characters that end with a line where there is one. */
export function cutText(text: string): string[] {
  const pieces: string[] = [];
  for (let start = 0; start < text.length; ) {
    let end = Math.min(text.length, start + pieceLength);
    if (end < text.length) {
      const line = text.lastIndexOf('\n', end);
      if (line > start) end = line + 1;
      // Never through a surrogate pair.
      else if (/[\ud800-\udbff]/.test(text[end - 1] as string)) end--;
    }
    const piece = text.slice(start, end);
    if (piece.trim() !== '') pieces.push(piece);
    start = end;
  }
  return pieces;
}
