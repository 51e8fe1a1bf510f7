import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { InvalidModelError, printable, UnsupportedTokenizerError } from '../errors.js';
import type { JsonObject } from '../file/read-json.js';
import { bytesOfToken } from './byte-alphabet.js';
import { byteLevelEncoder, type PlainEncoder } from './byte-level-bpe.js';
import type { PairRank } from './merge-core.js';
import { gpt2Pattern } from './pre-tokenizers.js';
import { endOfTurnNames } from './stop-tokens.js';
import type { Tokenizer } from './tokenizer.js';
import { createTokenizer } from './vocabulary-tokenizer.js';

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

const maxTokens = 1_000_000;

/** Makes the tokenizer of a `tokenizer.json` with a byte-level BPE; other kinds are refused by name. */
export function huggingFaceTokenizer(path: string, json: JsonObject, tokenizerConfig: JsonObject, modelConfig: JsonObject): Tokenizer {
  const model = json.model as JsonObject | undefined;
  const vocab = model?.vocab;
  if (model?.type !== 'BPE' || typeof vocab !== 'object' || vocab === null) {
    throw new UnsupportedTokenizerError(`${printable(path)} holds a tokenizer of kind "${printable(String(model?.type))}"; BPE is read.`);
  }
  const preTokenizer = withExactPatterns(json.pre_tokenizer);
  if (!JSON.stringify(preTokenizer ?? null).includes('"ByteLevel"') || model.byte_fallback === true) {
    throw new UnsupportedTokenizerError(`${printable(path)} is no byte-level BPE; of SentencePiece models only the GGUF form is read.`);
  }
  if (json.normalizer !== null && json.normalizer !== undefined && (json.normalizer as JsonObject).type !== 'NFC') {
    throw new UnsupportedTokenizerError(
      `${printable(path)} normalises text by "${printable(String((json.normalizer as JsonObject).type))}".`,
    );
  }
  const ids = new Map<string, number>();
  const tokens: string[] = [];
  const put = (token: string, id: unknown): void => {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) >= maxTokens)
      throw new InvalidModelError(path, `token "${printable(token)}" has the id ${printable(String(id))}.`);
    ids.set(token, id as number);
    tokens[id as number] = token;
  };
  for (const [token, id] of Object.entries(vocab)) put(token, id);
  const added = readAdded(path, json.added_tokens);
  for (const { content, id } of added) put(content, id);
  const stated = modelConfig.vocab_size;
  if (typeof stated === 'number' && stated > tokens.length && stated <= maxTokens) tokens.length = stated;
  for (let id = 0; id < tokens.length; id++) tokens[id] ??= '';

  const idOf = (value: unknown): number | undefined => {
    const text = typeof value === 'string' ? value : (value as JsonObject | null | undefined)?.content;
    return typeof text === 'string' ? ids.get(text) : undefined;
  };
  const numbers = (value: unknown): number[] =>
    [value].flat().filter((id): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokens.length);
  const beginToken = idOf(tokenizerConfig.bos_token) ?? numbers(modelConfig.bos_token_id)[0];
  const endToken = idOf(tokenizerConfig.eos_token) ?? numbers(modelConfig.eos_token_id)[0];
  const special = new Set(added.filter((token) => token.special).map((token) => token.id));
  const stopTokens = new Set(numbers(modelConfig.eos_token_id));
  if (endToken !== undefined) stopTokens.add(endToken);
  for (const id of special) if (endOfTurnNames.has(tokens[id] as string)) stopTokens.add(id);

  const merges = readMerges(path, model.merges);
  const ignoreMerges = model.ignore_merges === true;
  let encoder: PlainEncoder | undefined;
  const build = (): PlainEncoder => {
    const library = new LibraryTokenizer(
      // Without its added tokens: those are found before, see `vocabulary-tokenizer.ts`.
      { ...json, pre_tokenizer: preTokenizer, added_tokens: [], post_processor: null, decoder: { type: 'ByteLevel' } },
      {},
    );
    return byteLevelEncoder({
      merge: (piece) => library.model?.encode([piece]) ?? [],
      idOf: (token) => ids.get(token),
      makeRanks: () => pairRanks(merges),
      ignoreMerges,
      pieces(text) {
        const normal = library.normalizer ? library.normalizer(text) : text;
        return library.pre_tokenizer ? library.pre_tokenizer(normal, { section_index: 0 }) : [normal];
      },
      toAlphabet: (piece) => piece,
    });
  };
  return createTokenizer({
    vocabularySize: tokens.length,
    tokenText: (id) => tokens[id],
    special,
    userDefined: new Set(added.filter((token) => !token.special).map((token) => token.id)),
    beginToken,
    endToken,
    stopTokens,
    addBegin:
      tokenizerConfig.add_bos_token === true ||
      (tokenizerConfig.add_bos_token === undefined && startsWithToken(json.post_processor, tokens[beginToken ?? -1])),
    encodePlain(text, _isStart, out) {
      encoder ??= build();
      encoder(text, out);
    },
    bytesOf: (id) => bytesOfToken(tokens[id] as string),
  });
}

function readAdded(path: string, value: unknown): AddedToken[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw new InvalidModelError(path, '"added_tokens" is not a list.');
  return value.map((entry: JsonObject | null) => {
    const { id, content, special } = entry ?? {};
    if (typeof id !== 'number' || typeof content !== 'string' || content === '')
      throw new InvalidModelError(path, 'an added token has no id or no text.');
    if (entry?.lstrip === true || entry?.rstrip === true || entry?.single_word === true) {
      throw new UnsupportedTokenizerError(
        `${printable(path)}: added token "${printable(content)}" strips its surroundings, which is not implemented.`,
      );
    }
    return { id, content, special: special === true };
  });
}

function readMerges(path: string, value: unknown): [string, string][] {
  if (!Array.isArray(value)) throw new InvalidModelError(path, 'its BPE has no merges.');
  return value.map((merge: unknown, i) => {
    const pair = typeof merge === 'string' ? merge.split(' ') : merge;
    if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((part) => typeof part === 'string' && part !== ''))
      throw new InvalidModelError(path, `merge ${i} is not two parts.`);
    return pair as [string, string];
  });
}

/**
 * The library's own splitting into digits knows only ASCII digits and its byte-level split takes JavaScript's idea of
 * white space; both are written out here as expressions that agree with the Rust originals.
 */
function withExactPatterns(value: unknown): unknown {
  const json = value as JsonObject | null | undefined;
  if (!json) return json;
  if (json.type === 'Sequence') return { ...json, pretokenizers: ((json.pretokenizers as unknown[]) ?? []).map(withExactPatterns) };
  const split = (pattern: string): object => ({ type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false });
  if (json.type === 'Digits') return split(json.individual_digits === true ? '\\p{N}' : '\\p{N}+');
  if (json.type !== 'ByteLevel' || json.use_regex === false) return json;
  if (json.add_prefix_space === true)
    throw new UnsupportedTokenizerError('The tokenizer puts a space before every text, which is not implemented for byte-level BPE.');
  return { type: 'Sequence', pretokenizers: [split(gpt2Pattern), { ...json, use_regex: false }] };
}

/** Whether the post-processor's template for one text starts with `token`. */
function startsWithToken(value: unknown, token: string | undefined): boolean {
  const json = value as JsonObject | null | undefined;
  if (!json || token === undefined) return false;
  if (json.type === 'Sequence') return ((json.processors as unknown[]) ?? []).some((inner) => startsWithToken(inner, token));
  if (json.type !== 'TemplateProcessing' || !Array.isArray(json.single)) return false;
  const first = (json.single[0] as JsonObject | undefined)?.SpecialToken as JsonObject | undefined;
  return first?.id === token;
}

function pairRanks(merges: readonly (readonly [string, string])[]): PairRank {
  const ranks = new Map<string, Map<string, number>>();
  merges.forEach(([left, right], rank) => {
    let inner = ranks.get(left);
    if (!inner) {
      inner = new Map();
      ranks.set(left, inner);
    }
    if (!inner.has(right)) inner.set(right, rank);
  });
  return (left, right) => ranks.get(left)?.get(right);
}
