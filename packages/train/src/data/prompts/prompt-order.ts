import { mixSeeds, shuffledIndices } from '../shuffle.js';
import type { TrainingPrompt } from './training-prompt.js';

/** Where there are both, every third text is a document. */
const DOCUMENT_EVERY = 3;

/** Which prompt the n-th text comes from: all of a kind once in an order of their own, then again in another order. */
export function promptOrder(prompts: readonly TrainingPrompt[], seed: number): (index: number) => TrainingPrompt {
  const [chats, documents] = (['chat', 'document'] as const).map((kind, number) => {
    const own = prompts.filter((prompt) => prompt.kind === kind);
    const orders = new Map<number, Uint32Array>();
    const at = (turn: number): TrainingPrompt => {
      const round = Math.floor(turn / own.length);
      let order = orders.get(round);
      if (!order) orders.set(round, (order = shuffledIndices(own.length, mixSeeds(seed, number, round))));
      return own[order[turn % own.length] as number] as TrainingPrompt;
    };
    return { count: own.length, at };
  }) as [Turns, Turns];
  if (documents.count === 0) return chats.at;
  if (chats.count === 0) return documents.at;
  return (index) => {
    const earlier = Math.floor(index / DOCUMENT_EVERY);
    return index % DOCUMENT_EVERY === DOCUMENT_EVERY - 1 ? documents.at(earlier) : chats.at(index - earlier);
  };
}

interface Turns {
  readonly count: number;
  readonly at: (turn: number) => TrainingPrompt;
}
