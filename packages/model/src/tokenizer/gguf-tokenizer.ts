import { InvalidModelError, printable, UnsupportedTokenizerError } from '../errors.js';
import type { GgufHeader } from '../gguf/read-header.js';
import type { StringTable } from '../gguf/string-table.js';
import { bytesOfToken } from './byte-alphabet.js';
import type { PlainEncoder } from './byte-level-bpe.js';
import { ggufByteLevelEncoder } from './gguf-byte-level.js';
import { preTokenizers } from './pre-tokenizers.js';
import { byteTokenName, sentencePieceBytes, sentencePieceEncoder } from './sentence-piece.js';
import { endOfTurnNames } from './stop-tokens.js';
import { TextIndex } from './text-index.js';
import type { Tokenizer } from './tokenizer.js';
import { createTokenizer } from './vocabulary-tokenizer.js';

/** Token types of the GGUF specification. */
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;

/** Makes the tokenizer that a GGUF header describes. The vocabulary is indexed at the first `encode`. */
export function ggufTokenizer(path: string, header: GgufHeader, tokens: StringTable): Tokenizer {
  const kind = header.values.get('tokenizer.ggml.model');
  if (header.values.get('tokenizer.ggml.add_eos_token') === true) {
    throw new UnsupportedTokenizerError(`${printable(path)} asks for an end token behind every prompt, which a generator cannot use.`);
  }
  if (kind === 'llama') return sentencePieceTokenizer(path, header, tokens);
  if (kind !== 'gpt2') {
    throw new UnsupportedTokenizerError(
      `${printable(path)} has a tokenizer of kind "${printable(String(kind))}"; "gpt2" and "llama" are read.`,
    );
  }
  return byteLevelTokenizer(path, header, tokens);
}

function byteLevelTokenizer(path: string, header: GgufHeader, tokens: StringTable): Tokenizer {
  const pre = header.values.get('tokenizer.ggml.pre');
  const rules = typeof pre === 'string' ? preTokenizers.get(pre) : undefined;
  if (!rules) {
    const known = [...preTokenizers.keys()].join(', ');
    throw new UnsupportedTokenizerError(`${printable(path)} cuts text by the rules "${printable(String(pre))}"; known are ${known}.`);
  }
  const ids = specialIds(path, header, tokens);
  let encoder: PlainEncoder | undefined;
  const build = (): PlainEncoder => {
    const merges = header.strings('tokenizer.ggml.merges');
    if (!merges) throw new InvalidModelError(path, 'its byte-level vocabulary has no merges ("tokenizer.ggml.merges").');
    return ggufByteLevelEncoder(path, tokens, merges, rules);
  };
  const addBegin = header.values.get('tokenizer.ggml.add_bos_token') ?? rules.addBegin;
  return createTokenizer({
    vocabularySize: tokens.length,
    tokenText: (id) => tokens.text(id),
    ...ids,
    addBegin: addBegin === true,
    encodePlain(text, _isStart, out) {
      encoder ??= build();
      encoder(text, out);
    },
    bytesOf: (id) => bytesOfToken(tokens.text(id) ?? ''),
  });
}

function sentencePieceTokenizer(path: string, header: GgufHeader, tokens: StringTable): Tokenizer {
  const scores = header.numbers('tokenizer.ggml.scores');
  if (scores?.length !== tokens.length)
    throw new InvalidModelError(path, `it has ${tokens.length} tokens and ${scores?.length ?? 'no'} scores.`);
  for (let id = 0; id < tokens.length; id++)
    if (!Number.isFinite(scores[id])) throw new InvalidModelError(path, `token ${id} has the score ${scores[id]}.`);
  const ids = new TextIndex(tokens);
  const byteTokens = Array.from({ length: 256 }, (_, byte) => ids.get(byteTokenName(byte)) ?? -1);
  const missing = byteTokens.indexOf(-1);
  if (missing >= 0)
    throw new UnsupportedTokenizerError(`${printable(path)}: its SentencePiece vocabulary has no token ${byteTokenName(missing)}.`);
  const byteOf = new Map(byteTokens.map((id, byte) => [id, byte]));
  const addSpacePrefix = header.values.get('tokenizer.ggml.add_space_prefix') !== false;
  const encode = sentencePieceEncoder({ idOf: (token) => ids.get(token), scores, byteTokens, addSpacePrefix });
  return createTokenizer({
    vocabularySize: tokens.length,
    tokenText: (id) => tokens.text(id),
    ...specialIds(path, header, tokens),
    addBegin: header.values.get('tokenizer.ggml.add_bos_token') !== false,
    encodePlain: (text, _isStart, out) => encode(text, out),
    bytesOf(id) {
      const byte = byteOf.get(id);
      return byte === undefined ? sentencePieceBytes(tokens.text(id) ?? '') : Uint8Array.of(byte);
    },
    trimDecoded: (text) => (addSpacePrefix && text.startsWith(' ') ? text.slice(1) : text),
  });
}

function specialIds(path: string, header: GgufHeader, tokens: StringTable) {
  const types = header.numbers('tokenizer.ggml.token_type');
  if (types && types.length !== tokens.length)
    throw new InvalidModelError(path, `it has ${tokens.length} tokens and ${types.length} token types.`);
  const special = new Set<number>();
  const userDefined = new Set<number>();
  for (let id = 0; id < tokens.length; id++) {
    const type = types?.[id];
    if (type === CONTROL || type === UNKNOWN) special.add(id);
    else if (type === USER_DEFINED) userDefined.add(id);
  }
  const named = (key: string): number | undefined => {
    const value = header.values.get(key);
    if (value === undefined) return undefined;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value >= tokens.length) {
      throw new InvalidModelError(path, `"${key}" is ${printable(String(value))}, outside the vocabulary of ${tokens.length}.`);
    }
    return value;
  };
  const beginToken = named('tokenizer.ggml.bos_token_id');
  const endToken = named('tokenizer.ggml.eos_token_id');
  const stopTokens = new Set<number>();
  for (const id of [endToken, named('tokenizer.ggml.eot_token_id'), named('tokenizer.ggml.eom_token_id')])
    if (id !== undefined) stopTokens.add(id);
  for (const id of special) if (endOfTurnNames.has(tokens.text(id) ?? '')) stopTokens.add(id);
  return { special, userDefined, beginToken, endToken, stopTokens };
}
