/** Words of SQuAD's official normalisation: lower case, no ASCII punctuation, no articles. */
export function squadWords(text: string): readonly string[] {
  return text
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, '')
    .replace(/\b(a|an|the)\b/g, ' ')
    .split(/\s+/)
    .filter((word) => word !== '');
}

/** Exact match and F1 of one answer against the gold ones, as SQuAD's official script scores them. */
export interface SquadScore {
  readonly em: number;
  readonly f1: number;
}

/**
 * @param answer "unanswerable" and an empty text mean that there is no answer
 * @param golds none: the question has no answer
 */
export function scoreSquad(answer: string, golds: readonly string[]): SquadScore {
  const words = squadWords(answer);
  const own = words.length === 1 && words[0] === 'unanswerable' ? [] : words;
  // As the official script: gold answers that normalise to nothing do not count.
  const candidates = golds.map(squadWords).filter((gold) => gold.length > 0);
  if (candidates.length === 0) candidates.push([]);
  return {
    em: Math.max(...candidates.map((gold) => (gold.length === own.length && gold.every((word, at) => word === own[at]) ? 1 : 0))),
    f1: Math.max(...candidates.map((gold) => f1Of(own, gold))),
  };
}

function f1Of(own: readonly string[], gold: readonly string[]): number {
  if (own.length === 0 || gold.length === 0) return own.length === gold.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of gold) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of own) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  if (common === 0) return 0;
  const precision = common / own.length;
  const recall = common / gold.length;
  return (2 * precision * recall) / (precision + recall);
}
