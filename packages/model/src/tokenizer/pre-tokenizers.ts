/**
 * How a byte-level BPE cuts text before merging, by the name that GGUF stores as `tokenizer.ggml.pre`.
 *
 * Expressions are those of llama.cpp's vocabulary loader, in order; each cuts every piece that the one before left.
 * `\p{White_Space}` stands where others write `\s`: JavaScript's `\s` holds U+FEFF and lacks U+0085, theirs is the
 * other way round.
 */
export interface PreTokenizerRules {
  readonly patterns: readonly string[];
  /** Whole pieces that are tokens are taken as they are, unmerged. */
  readonly ignoreMerges: boolean;
  /** What the files mean when they do not say whether a prompt starts with the begin token. */
  readonly addBegin: boolean;
}

const space = '\\p{White_Space}';
export const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|${space}+(?!\\P{White_Space})|${space}+`;
const contractions = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const modern = (digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}${digits}| ?[^${space}\\p{L}\\p{N}]+[\\r\\n]*|${space}*[\\r\\n]+|${space}+(?!\\P{White_Space})|${space}+`;

const rules = (patterns: readonly string[], more: Partial<PreTokenizerRules> = {}): PreTokenizerRules => ({
  patterns,
  ignoreMerges: false,
  addBegin: false,
  ...more,
});

const digitsThenGpt2 = rules(['\\p{N}', gpt2Pattern]);
const llama3 = rules([modern('{1,3}')], { ignoreMerges: true, addBegin: true });
const qwen2 = rules([modern('')]);

export const preTokenizers: ReadonlyMap<string, PreTokenizerRules> = new Map([
  ['smollm', digitsThenGpt2],
  ['starcoder', digitsThenGpt2],
  ['refact', digitsThenGpt2],
  ['command-r', digitsThenGpt2],
  ['gpt-2', rules([gpt2Pattern])],
  ['llama-bpe', llama3],
  ['llama3', llama3],
  ['llama-v3', llama3],
  ['qwen2', qwen2],
]);
