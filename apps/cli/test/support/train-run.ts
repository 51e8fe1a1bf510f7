import { builtInRecipe } from '@gateskip/train';

/** Words in seeded order: text with some structure, never the same line twice. */
export function textOfWords(lines = 240): string {
  const words = ['hello', 'there', 'the', 'cat', 'sat', 'on', 'mat', 'and', 'sang', '12', 'well', 'a', 'bell', 'rings'];
  let state = 1;
  const next = (): string => words[(state = (state * 48271) % 2147483647) % words.length] as string;
  return Array.from({ length: lines }, () => `${Array.from({ length: 8 }, next).join(' ')}.`).join('\n');
}

/** Recipe `lora` for a tiny model in TypeScript: a few steps of few rows, kept after every step. */
export function smallRecipeFile(change: Readonly<Record<string, unknown>> = {}): string {
  const recipe = builtInRecipe('lora');
  return JSON.stringify({
    ...recipe,
    gates: { start: 'fit', tokens: 600 },
    lora: { rank: 2, alpha: 4, matrices: ['query', 'mlpDown'] },
    protectedBranches: [0, 9],
    optimizer: { ...recipe.optimizer, rates: { gates: 0.003, standIns: 0.003, lora: 0.003 } },
    batch: { rows: 64, accumulate: 1 },
    tokens: 320,
    heldOut: { tokens: 96, budgets: [0.1, 0.2], everyTokens: 160, patience: 0 },
    checkpointSeconds: 0,
    ...change,
  });
}
