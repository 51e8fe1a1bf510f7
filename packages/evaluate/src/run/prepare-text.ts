import { createHash } from 'node:crypto';
import { UnsupportedError } from '@gateskip/errors';
import type { Model } from '@gateskip/model';
import { readUtf8File } from '../data/read-utf8-file.js';
import { DataMissingError } from '../errors.js';
import { wellFormed } from '../items/encode-pair.js';

/** A text as tokens, for perplexity and agreement. */
export interface PreparedText {
  readonly source: string;
  readonly tokens: Int32Array;
  /** Of the text that the tokens stand for. */
  readonly bytes: number;
  readonly words: number;
  /** Tokens of the whole text; more than `tokens` where a limit cut it. */
  readonly allTokens: number;
  readonly sha256: string;
}

const MAX_TEXT_BYTES = 64 * 1024 * 1024;

/** @param limit most tokens. @throws DataMissingError, UnsupportedError */
export async function readText(path: string, model: Pick<Model, 'config' | 'tokenizer'>, limit?: number): Promise<PreparedText> {
  const { text } = await readUtf8File(path, MAX_TEXT_BYTES, 'Give a shorter text.');
  return prepareText(text, path, model, limit);
}

/** @param limit most tokens. @throws DataMissingError, UnsupportedError */
export function prepareText(text: string, source: string, model: Pick<Model, 'config' | 'tokenizer'>, limit?: number): PreparedText {
  const { tokenizer } = model;
  if (tokenizer === undefined) throw new UnsupportedError(`Model "${model.config.name}" has no tokenizer, and ${source} is text.`);
  const all = tokenizer.encode(wellFormed(text));
  if (all.length < 2)
    throw new DataMissingError(`${source} has ${all.length} tokens, a score needs 2.`, 'Give a longer text.', { what: source });
  const tokens = limit === undefined ? all : all.slice(0, Math.max(2, limit));
  const covered = tokens.length === all.length ? text : tokenizer.decode(tokens, { skipSpecial: true });
  return {
    source,
    tokens,
    bytes: Buffer.byteLength(covered),
    words: covered.split(/\s+/).filter((word) => word !== '').length,
    allTokens: all.length,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}
