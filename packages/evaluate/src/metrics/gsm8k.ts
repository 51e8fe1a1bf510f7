/** What lm-evaluation-harness's task gsm8k takes out of an answer; `[invalid]` where there is nothing. */
export interface Gsm8kAnswer {
  /** The number after the first `####`. */
  readonly strict: string;
  /** The last number of the text. */
  readonly flexible: string;
}

const INVALID = '[invalid]';

export function extractGsm8k(text: string): Gsm8kAnswer {
  const strict = /#### (-?[0-9.,]+)/.exec(text)?.[1] ?? INVALID;
  const flexible = Array.from(text.matchAll(/(-?[$0-9.,]{2,})|(-?[0-9]+)/g), ([match]) => match).at(-1) ?? INVALID;
  return { strict: strict.trim(), flexible: flexible.trim() };
}

/** Equal after the harness's clean-up: commas, dollar signs, all up to `#### ` and one final full stop go, case is ignored. */
export function isGsm8kMatch(extracted: string, gold: string): boolean {
  return cleaned(extracted) === cleaned(gold);
}

function cleaned(text: string): string {
  return text
    .replace(/,/g, '')
    .replace(/\$/g, '')
    .replace(/[\s\S]*#### /, '')
    .replace(/\.$/, '')
    .toLowerCase();
}
