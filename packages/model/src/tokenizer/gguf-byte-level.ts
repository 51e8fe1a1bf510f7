import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { InvalidModelError, printable } from '../errors.js';
import type { StringTable } from '../gguf/string-table.js';
import { byteLevelEncoder, type PlainEncoder } from './byte-level-bpe.js';
import { textCutter, toByteAlphabet } from './cut-text.js';
import type { PreTokenizerRules } from './pre-tokenizers.js';
import { TextIndex } from './text-index.js';

/**
 * What the library asks of a Map of its own; it fills them with the whole vocabulary, which takes a tenth of a second. This
 * one keeps what was found, so it never holds more than the vocabulary.
 */
class Lookup extends Map<string, number> {
  readonly #find: (key: string) => number | undefined;

  constructor(find: (key: string) => number | undefined) {
    super();
    this.#find = find;
  }

  override get(key: string): number | undefined {
    const known = super.get(key);
    if (known !== undefined) return known;
    const found = this.#find(key);
    if (found !== undefined) this.set(key, found);
    return found;
  }

  override has(key: string): boolean {
    return this.get(key) !== undefined;
  }
}

/** Byte-level BPE over the tables of a GGUF file: the library merges, and looks tokens and ranks up in the file's bytes. */
export function ggufByteLevelEncoder(path: string, tokens: StringTable, merges: StringTable, rules: PreTokenizerRules): PlainEncoder {
  checkMerges(path, merges);
  const ids = new TextIndex(tokens);
  const ranks = new TextIndex(merges);
  // Neither part holds a space: it is no character of the byte-level alphabet.
  const rankOf = (left: string, right: string): number | undefined => ranks.get(`${left} ${right}`);
  const model = emptyModel(rules.ignoreMerges);
  const idOf = new Lookup((token) => ids.get(token));
  model.tokens_to_ids = idOf;
  model.bpe_ranks = new Lookup((pair) => rankOf(...(JSON.parse(pair) as [string, string])));
  return byteLevelEncoder({
    merge: (piece) => model.encode([piece]),
    idOf: (token) => idOf.get(token),
    makeRanks: () => rankOf,
    ignoreMerges: rules.ignoreMerges,
    pieces: textCutter(rules.patterns),
    toAlphabet: toByteAlphabet,
  });
}

/** What is used of the library's BPE model. */
interface MergeModel {
  tokens_to_ids: Map<string, number>;
  bpe_ranks: Map<string, number>;
  encode(pieces: string[]): string[];
}

/** The model that the library makes of a `tokenizer.json` with an empty vocabulary. */
function emptyModel(ignoreMerges: boolean): MergeModel {
  const json = {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    model: { type: 'BPE', vocab: {}, merges: [], unk_token: null, byte_fallback: false, ignore_merges: ignoreMerges },
  };
  const { model } = new LibraryTokenizer(json, {});
  if (!(model?.tokens_to_ids instanceof Map && model.bpe_ranks instanceof Map)) throw new Error('The tokenizer library keeps no maps.');
  return model as MergeModel;
}

/** Each merge is two parts with a space between; the first part may start with one. */
function checkMerges(path: string, merges: StringTable): void {
  const { bytes } = merges;
  for (let i = 0; i < merges.length; i++) {
    const end = merges.end(i);
    let at = merges.start(i) + 1;
    while (at < end && bytes[at] !== 0x20) at++;
    if (at >= end - 1) throw new InvalidModelError(path, `merge ${i} "${printable(merges.text(i) ?? '')}" is not two parts.`);
  }
}
